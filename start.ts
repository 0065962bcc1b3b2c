// One image, many functions: Knative sets K_SERVICE to the name of the service. Without it, the whole shop runs here.
import { flushCompileCache } from 'node:module';

const { K_SERVICE } = process.env;
if (K_SERVICE) {
  // until the function has a handler of its own: process 1 of a container ignores a signal without one
  const leave = () => process.exit(0);
  process.on('SIGTERM', leave);
  const { serveFunction } = await import('#platform/runtime/serve-function.ts');
  const { releaseStartMemory } = await import('#platform/runtime/start-memory.ts');
  await serveFunction(K_SERVICE);
  process.off('SIGTERM', leave);
  flushCompileCache();
  await releaseStartMemory();
} else {
  const { runShop } = await import('#local/shop.ts');
  await runShop(process.argv.slice(2));
}
