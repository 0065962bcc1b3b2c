import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** The keys of a local shop, as its functions expect them in the environment, and the admin's password. */
export interface Secrets {
  EVENT_KEYS: string;
  TOKEN_PRIVATE_KEY: string;
  TOKEN_PUBLIC_KEYS: string;
  adminPassword: string;
}

/** Makes the secrets at the first start and keeps them in the data folder, readable by its owner alone. */
export function localSecrets(dataDir: string): Secrets {
  const file = path.join(dataDir, 'secrets.json');
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as Secrets;
  mkdirSync(dataDir, { recursive: true });
  const made = newSecrets();
  writeFileSync(file, JSON.stringify(made, null, 2), { mode: 0o600 });
  return made;
}

/** New keys and a new password, each from the system's random numbers. */
export function newSecrets(): Secrets {
  const { privateKey } = generateKeyPairSync('ed25519');
  const { d, x } = privateKey.export({ format: 'jwk' });
  const kid = randomBytes(4).toString('hex');
  const publicKey = { kty: 'OKP', crv: 'Ed25519', x, kid };
  return {
    EVENT_KEYS: `${kid}:${randomBytes(32).toString('base64url')}`,
    TOKEN_PRIVATE_KEY: JSON.stringify({ ...publicKey, d }),
    TOKEN_PUBLIC_KEYS: JSON.stringify({ keys: [publicKey] }),
    adminPassword: randomBytes(15).toString('base64url'),
  };
}
