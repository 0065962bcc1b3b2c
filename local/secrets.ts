import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** The keys that sign events and tokens, as the functions expect them in the environment. */
export interface Keys {
  EVENT_KEYS: string;
  TOKEN_PRIVATE_KEY: string;
  TOKEN_PUBLIC_KEYS: string;
  /** During a rotation: the key that signs next; see local/key-rotation.ts. */
  NEXT_TOKEN_PRIVATE_KEY?: string;
  /** The last step of the rotation; missing if the keys were never rotated. */
  ROTATION_STEP?: string;
}

/** The keys and passwords of a local shop. */
export interface Secrets extends Keys {
  /** Signs the storefront's cursors. */
  CURSOR_KEY: string;
  /** The passwords of the functions' database roles are derived from it. */
  DATABASE_ROLES_KEY: string;
  adminPassword: string;
}

const fileIn = (dataDir: string) => path.join(dataDir, 'secrets.json');

/** Reads the secrets from the data folder; creates and stores those that are missing: at the first start, all. */
export function localSecrets(dataDir: string): Secrets {
  const stored = existsSync(fileIn(dataDir)) ? readSecrets(dataDir) : {};
  const secrets = { ...newSecrets(), ...stored };
  if (Object.keys(secrets).length > Object.keys(stored).length) storeSecrets(dataDir, secrets);
  return secrets;
}

const readSecrets = (dataDir: string) => JSON.parse(readFileSync(fileIn(dataDir), 'utf8')) as Partial<Secrets>;

/** Stores the secrets, readable only by their owner. */
export function storeSecrets(dataDir: string, secrets: Secrets): void {
  mkdirSync(dataDir, { recursive: true });
  // renamed once it is complete: a file that was written in part would lose every key
  writeFileSync(`${fileIn(dataDir)}.new`, JSON.stringify(secrets, null, 2), { mode: 0o600, flush: true });
  renameSync(`${fileIn(dataDir)}.new`, fileIn(dataDir));
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
    CURSOR_KEY: randomBytes(32).toString('base64url'),
    DATABASE_ROLES_KEY: randomBytes(32).toString('base64url'),
    adminPassword: randomBytes(15).toString('base64url'),
  };
}
