import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startPostgres } from '#local/postgres.ts';
import { connectionTo } from '#platform/database/connection.ts';
import { migrate } from './migrate.ts';

/**
 * Calls `use` with a connection to a new, empty database, and drops the database afterwards. It is created on the
 * server of `DATABASE_URL`, whose own databases are not read, or on an embedded server in a temporary folder.
 */
export async function withEmptyDatabase<Result>(
  use: (client: pg.Client, url: string) => Promise<Result>,
  serverUrl = process.env['DATABASE_URL'],
): Promise<Result> {
  if (serverUrl) return onServer(serverUrl, use);
  const dataDir = await mkdtemp(join(tmpdir(), 'shop-scratch-'));
  try {
    const server = await startPostgres({ dataDir });
    try {
      return await onServer(server.url, use);
    } finally {
      await server.stop();
    }
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}

/** The same after all migrations: the intended schema, regardless of what a developer's database contains. */
export function withMigratedDatabase<Result>(use: (client: pg.Client) => Promise<Result>): Promise<Result> {
  return withEmptyDatabase(async (client, url) => {
    await migrate(url);
    return use(client);
  });
}

async function onServer<Result>(
  serverUrl: string,
  use: (client: pg.Client, url: string) => Promise<Result>,
): Promise<Result> {
  const name = `scratch_${randomBytes(6).toString('hex')}`;
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const server = await connect(serverUrl);
  try {
    await server.query(`create database ${name} template template0`);
    const client = await connect(url.href);
    try {
      return await use(client, url.href);
    } finally {
      await client.end();
      await server.query(`drop database ${name} with (force)`);
    }
  } finally {
    await server.end();
  }
}

async function connect(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client(connectionTo(connectionString));
  await client.connect();
  return client;
}
