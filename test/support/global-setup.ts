import { randomBytes } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { migrate } from '#database/migrate.ts';
import { setRolePasswords } from '#database/roles.ts';
import { startPostgres, type Postgres } from '#local/postgres.ts';

declare global {
  var testPostgres: { server: Postgres; folder: string } | undefined;
}

/** Starts one Postgres for all tests and migrates a template database, which each test file copies. */
export default async function globalSetup(): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'shop-test-'));
  const server = await startPostgres({ dataDir: folder });
  globalThis.testPostgres = { server, folder };
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  await client.query('create database shop_template');
  await client.end();
  await migrate(databaseUrl(server.url, 'shop_template'));
  const rolesKey = randomBytes(32).toString('base64url');
  await setRolePasswords(databaseUrl(server.url, 'shop_template'), rolesKey);
  Object.assign(process.env, { TEST_POSTGRES_URL: server.url, TEST_ROLES_KEY: rolesKey });
}

/** The address of another database on the same server. */
export function databaseUrl(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}
