import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import pg from 'pg';
import { connectionTo } from '#platform/database/connection.ts';

const folder = fileURLToPath(new URL('migrations', import.meta.url));

// While a migration waits for its lock, every statement on that table queues behind it, so it waits only briefly.
const lockTimeoutMs = 300;
const reportEveryMs = 10_000;

interface MigrateOptions {
  dir?: string;
  /** How long a migration is retried while other sessions hold its locks. */
  timeoutMs?: number;
  /** Called every ten seconds with one line that describes what the migration waits for. */
  report?: (line: string) => void;
}

/**
 * Migrates a database to the newest schema while the shop is open: each migration runs in its own transaction, which
 * fails after 300 ms without its lock and is retried for ten minutes. Safe to run again, and by several processes at
 * once (an advisory lock lets one of them proceed). The user of `databaseUrl` needs the right to create schemas in it,
 * and roles; otherwise the error explains that in one sentence.
 */
export async function migrate(
  databaseUrl: string,
  { dir = folder, timeoutMs = 10 * 60_000, report = () => undefined }: MigrateOptions = {},
): Promise<void> {
  const began = performance.now();
  let reportedAt = began;
  for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, 2_000)) {
    try {
      return await attempt(databaseUrl, dir);
    } catch (error) {
      const waitedMs = performance.now() - began;
      if (codeOf(error) !== lockNotAvailable || waitedMs > timeoutMs) throw explained(error);
      if (performance.now() - reportedAt > reportEveryMs) {
        reportedAt = performance.now();
        report(
          `The migrations have waited ${Math.round(waitedMs / 1_000)} s for a lock: ${await holder(databaseUrl)}.`,
        );
      }
      await wait(pauseMs);
    }
  }
}

async function attempt(databaseUrl: string, dir: string): Promise<void> {
  const client = new pg.Client(connectionTo(databaseUrl));
  await client.connect();
  try {
    await client.query(`set lock_timeout = ${lockTimeoutMs}`);
    await runner({
      dbClient: client,
      dir,
      direction: 'up',
      migrationsSchema: 'public',
      migrationsTable: 'migrations',
      singleTransaction: false,
      advisoryLockMode: 'wait',
      log: () => {},
    });
  } finally {
    await client.end(); // also rolls back an unfinished migration
  }
}

const lockNotAvailable = '55P03';
const insufficientPrivilege = '42501';
const codeOf = (error: unknown): unknown => (error as { code?: unknown }).code;

function explained(error: unknown): unknown {
  if (codeOf(error) !== insufficientPrivilege) return error;
  const wanted = 'The user of DATABASE_URL must own the database and have the right to create roles (createrole)';
  return new Error(`${wanted}: ${(error as Error).message}.`, { cause: error });
}

/** Describes the oldest open transaction: most often a backup or a report. */
async function holder(databaseUrl: string): Promise<string> {
  const client = new pg.Client(connectionTo(databaseUrl));
  await client.connect();
  const { rows } = await client.query<{ pid: number; name: string; seconds: number }>(`
    select pid, coalesce(nullif(application_name, ''), usename) as name,
           extract(epoch from clock_timestamp() - xact_start)::int as seconds
      from pg_stat_activity
     where datname = current_database()
       and pid <> pg_backend_pid()
       and xact_start is not null
     order by xact_start
     limit 1`);
  await client.end();
  const [oldest] = rows;
  return oldest
    ? `session ${oldest.pid} (${oldest.name}) is open for ${oldest.seconds} s`
    : 'its holder has just ended';
}
