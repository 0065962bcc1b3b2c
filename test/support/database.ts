import { afterAll, beforeAll } from '@jest/globals';
import pg from 'pg';
import { databaseUrl } from '#test/support/global-setup.ts';
import { context } from '#test/support/context.ts';

// of the owner: tests prepare and read with all rights; only the function under test connects under its own role
const url = process.env['TEST_DATABASE_URL'] ?? '';
const serverUrl = process.env['TEST_POSTGRES_URL'] ?? '';

pg.types.setTypeParser(pg.types.builtins.INT8, Number);

/** Creates a database for this test file, a copy of the migrated template, and drops it after the tests. */
export function useDatabase(): void {
  const name = new URL(url).pathname.slice(1);
  beforeAll(() => onServer(`create database ${name} template shop_template`));
  afterAll(async () => {
    await Promise.all(open.splice(0).map((client) => client.end()));
    await context.close(5_000);
    await onServer(`drop database ${name} with (force)`);
  });
}

async function onServer(sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl(serverUrl, 'postgres') });
  await client.connect();
  await client.query(sql);
  await client.end();
}

const open: pg.Client[] = [];

/** A separate connection, to hold a transaction open alongside the function. Closed after the tests of the file. */
export async function connection(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  open.push(client);
  return client;
}

let shared: Promise<pg.Client> | undefined;

/** The rows of a query. */
export async function rows<Row extends object>(sql: string, values: unknown[] = []): Promise<Row[]> {
  shared ??= connection();
  return (await (await shared).query<Row>(sql, values)).rows;
}

/** The one row of a query. */
export async function row<Row extends object>(sql: string, values: unknown[] = []): Promise<Row> {
  const [first, ...others] = await rows<Row>(sql, values);
  if (!first || others.length > 0) throw new Error(`expected one row from: ${sql}`);
  return first;
}

/** Resolves once at least this many sessions wait for a lock. */
export async function waitingForLock(sessions = 1): Promise<void> {
  for (;;) {
    const { waiting } = await row<{ waiting: number }>(
      `select count(*) as waiting from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    );
    if (waiting >= sessions) return;
  }
}
