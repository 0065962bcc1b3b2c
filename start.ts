// One image, many functions: Knative sets K_SERVICE to the name of the service. Without it, the whole shop runs here.
import { enableCompileCache, flushCompileCache } from 'node:module';

// saves parsing and type stripping at every start but the first; NODE_COMPILE_CACHE says where, if it is set
enableCompileCache();
const { K_SERVICE } = process.env;
if (K_SERVICE) {
  const { serveFunction } = await import('#platform/serve-function.ts');
  await serveFunction(K_SERVICE);
  flushCompileCache();
} else {
  const { runShop } = await import('#local/shop.ts');
  await runShop(process.argv.slice(2));
}
