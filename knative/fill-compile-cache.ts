// Runs while the image is built, with NODE_COMPILE_CACHE: loads every function once, so that none is parsed at its
// start. The settings are placeholders; no function is called.
import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { readdirSync } from 'node:fs';

const { kty, crv, x, d } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
Object.assign(process.env, {
  DATABASE_URL: 'postgres://nowhere',
  K_SINK: 'http://nowhere',
  SMTP_URL: 'smtp://nowhere',
  CURSOR_KEY: '0'.repeat(43),
  EVENT_KEYS: `none:${'0'.repeat(43)}`,
  TOKEN_PRIVATE_KEY: JSON.stringify({ kty, crv, x, d, kid: 'none' }),
  TOKEN_PUBLIC_KEYS: JSON.stringify({ keys: [{ kty, crv, x, kid: 'none' }] }),
});
const functions = new URL('../functions/', import.meta.url);
await import('#platform/runtime/serve-function.ts');
await import('#database/migrate.ts');
await import('#database/admin.ts');
await import('#database/pooler.ts');
await import('#database/roles.ts');
await import('#platform/telemetry/span-export.ts');
for (const name of readdirSync(functions)) await import(`#functions/${name}/index.ts`);
// asks for a function that does not exist, and ends
spawnSync(process.execPath, ['start.ts'], { env: { ...process.env, K_SERVICE: 'none' } });
process.exit(0);
