import { afterAll, beforeAll } from '@jest/globals';
import pg from 'pg';
import { databaseUrl } from '#test/support/global-setup.ts';
import { context } from '#test/support/context.ts';

// the owner's: a test arranges and looks with every right, and only the room under test has its own
const url = process.env['TEST_DATABASE_URL'] ?? '';
const serverUrl = process.env['TEST_POSTGRES_URL'] ?? '';

pg.types.setTypeParser(pg.types.builtins.INT8, Number);

/** Gives this test file a database of its own: a copy of the migrated template, gone with the file. */
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

/** A connection of its own, to hold a transaction open beside the room. Closed with the file. */
export async function connection(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  open.push(client);
  return client;
}

let shared: Promise<pg.Client> | undefined;

/** Rows of a query, for arranging and looking. */
export async function rows<Row extends object>(sql: string, values: unknown[] = []): Promise<Row[]> {
  shared ??= connection();
  return (await (await shared).query<Row>(sql, values)).rows;
}

/** The one row of a query. */
export async function row<Row extends object>(sql: string, values: unknown[] = []): Promise<Row> {
  const [first, ...others] = await rows<Row>(sql, values);
  if (!first || others.length > 0) throw new Error(`one row was expected of: ${sql}`);
  return first;
}

/** Resolves once so many sessions wait for a lock: what was started is now held up. */
export async function waitingForLock(sessions = 1): Promise<void> {
  for (;;) {
    const { waiting } = await row<{ waiting: number }>(
      `select count(*) as waiting from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    );
    if (waiting >= sessions) return;
  }
}
