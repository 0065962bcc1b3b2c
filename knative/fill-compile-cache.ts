// Runs while the image is built, with NODE_COMPILE_CACHE: loads every function once, so that its start needs no parsing.
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';

await import('#platform/runtime/serve-function.ts');
await import('#database/migrate.ts');
await import('#database/admin.ts');
await import('#database/pooler.ts');
await import('#database/roles.ts');
await import('#platform/telemetry/span-export.ts');
for (const file of globSync('*/index.ts', { cwd: 'functions' })) await import(`#functions/${file}`);
// start.ts itself: there is no function of this name, so it exits
spawnSync(process.execPath, ['start.ts'], { env: { ...process.env, K_SERVICE: 'none' } });
process.exit(0);
