// One image, many functions: Knative sets K_SERVICE to the name of the service. Without it, the whole shop runs here.
import { existsSync } from 'node:fs';
import { flushCompileCache } from 'node:module';

const { K_SERVICE } = process.env;
if (K_SERVICE) {
  // until the function has a handler of its own: process 1 of a container ignores a signal without one
  const leave = () => process.exit(0);
  process.on('SIGTERM', leave);
  const index = new URL(`functions/${K_SERVICE}/index.ts`, import.meta.url);
  if (!/^[a-z-]+$/.test(K_SERVICE) || !existsSync(index)) {
    const hint = 'This image serves one function per service, by its name: ./shop.sh start deploys all of them.';
    process.stderr.write(`There is no function "${K_SERVICE}" (K_SERVICE). ${hint}\n`);
    process.exit(1);
  }
  const { serveFunction } = await import('#platform/runtime/serve-function.ts');
  const { exitBecause } = await import('#platform/runtime/settings.ts');
  const { releaseStartMemory } = await import('#platform/runtime/start-memory.ts');
  await serveFunction(K_SERVICE, () => import(index.href)).catch(exitBecause);
  process.off('SIGTERM', leave);
  flushCompileCache();
  await releaseStartMemory();
} else {
  const { runShop } = await import('#local/shop.ts');
  await runShop(process.argv.slice(2));
}
