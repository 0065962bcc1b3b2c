import pg from 'pg';
import { z } from 'zod';
import { connectionTo, databaseCa } from '#platform/database/connection.ts';
import type { Clock } from '#platform/database/clock.ts';
import { LostStatement } from '#platform/database/lost.ts';
import { createPool, type Query } from '#platform/database/pool.ts';
import { Problem } from '#platform/http/problem.ts';
import { settings, wholeNumber } from '#platform/runtime/settings.ts';
import { log } from '#platform/telemetry/log.ts';
import { observeGauge } from '#platform/telemetry/metrics.ts';

/** A statement with a name, so that each connection prepares it once. Parameters are positional. */
export interface Statement<Row> {
  readonly name: string;
  readonly text: string;
  /** Only carries the row's type. */
  readonly row?: Row;
}

/** Defines a statement; `name` is unique: `<function>.<what it does>`. */
export function statement<Row extends object>(name: string, text: string): Statement<Row> {
  return { name, text };
}

/**
 * Runs statements, each in its own transaction. A statement that throws `LostStatement` may have committed although its
 * response did not come; after any other error it has not.
 */
export interface Database {
  /** Returns any number of rows. */
  many<Row extends object>(statement: Statement<Row>, values?: unknown[]): Promise<Row[]>;
  /** Returns one row or none; throws if there are more. */
  maybeOne<Row extends object>(statement: Statement<Row>, values?: unknown[]): Promise<Row | undefined>;
  /** Returns the one row; throws if there is none, or more. */
  one<Row extends object>(statement: Statement<Row>, values?: unknown[]): Promise<Row>;
}

/** The connections of a process to Postgres. */
export interface DatabasePool extends Database {
  /** Opens a first connection, which also sets the clock. Never fails: statements connect again. */
  connect(): Promise<void>;
  /** Closes the connections once their statements are done. */
  close(): Promise<void>;
}

/** Connects to `DATABASE_URL` with up to `DATABASE_POOL` connections. `name` is what the server and the metrics show. */
export function createDatabase({ name, clock }: { name: string; clock: Clock }): DatabasePool {
  const { DATABASE_URL, DATABASE_CA, DATABASE_POOL } = settings({
    DATABASE_URL: z.string().regex(/^postgres(ql)?:\/\//, 'must be a postgres:// URL'),
    DATABASE_CA: databaseCa,
    DATABASE_POOL: wholeNumber(1, 100).default(8),
  });
  const { pool, run } = createPool({ ...connectionTo(DATABASE_URL, DATABASE_CA), max: DATABASE_POOL, name, clock });
  measure(pool, name);
  return {
    ...databaseOf(run),
    connect: () =>
      pool.connect().then(
        (client) => client.release(),
        (error: unknown) => log.warn({ err: error }, 'the database is not available yet'),
      ),
    close: () => pool.end(),
  };
}

/** A database by what runs a statement. */
export function databaseOf(run: (query: Query) => Promise<object[]>): Database {
  const many: Database['many'] = async <Row extends object>({ name, text }: Statement<Row>, values: unknown[] = []) =>
    (await run({ name, text, values })) as Row[];
  const maybeOne: Database['maybeOne'] = async (which, values) => {
    const rows = await many(which, values);
    if (rows.length > 1) throw new Error(`${which.name} returned ${rows.length} rows, at most one was expected`);
    return rows[0];
  };
  return {
    many,
    maybeOne,
    one: async (which, values) => {
      const row = await maybeOne(which, values);
      if (!row) throw new Error(`${which.name} returned no row, one was expected`);
      return row;
    },
  };
}

function measure(pool: pg.Pool, name: string): void {
  observeGauge({
    name: 'shop_database_connections',
    help: 'Connections to the database: busy with a statement, or idle',
    labels: ['function', 'state'],
    collect: (set) => {
      set({ function: name, state: 'busy' }, pool.totalCount - pool.idleCount);
      set({ function: name, state: 'idle' }, pool.idleCount);
    },
  });
  observeGauge({
    name: 'shop_database_waiting',
    help: 'Statements that wait for a connection to the database',
    labels: ['function'],
    collect: (set) => set({ function: name }, pool.waitingCount),
  });
}

const sqlState = (error: unknown): string | undefined => (error instanceof pg.DatabaseError ? error.code : undefined);

/** Whether the data was at fault (SQLSTATE class 22 or 23): a retry cannot help. */
export const isBadData = (error: unknown): boolean => /^2[23]/.test(sqlState(error) ?? '');

/** Whether the statement lost to another one (serialization failure, deadlock): it may be retried at once. */
export const isConflict = (error: unknown): boolean => ['40001', '40P01'].includes(sqlState(error) ?? '');

/** Whether the statement took longer than `statement_timeout` (SQLSTATE query_canceled). */
export const isTimeout = (error: unknown): boolean => sqlState(error) === '57014';

/**
 * Whether the database failed rather than the data or the statement: no connection, no resources, shut down, read-only,
 * or a lock or the statement took too long. A statement that was lost may have committed: see `LostStatement`.
 */
export function isFailure(error: unknown): boolean {
  if (error instanceof LostStatement) return true;
  const state = sqlState(error);
  if (state !== undefined) return /^(08|25|40|53|55|57|58)/.test(state);
  return error instanceof Error && (/connection|timeout|pool/i.test(error.message) || 'errno' in error);
}

// the one character that JSON knows and a text in Postgres does not: SQLSTATE character_not_in_repertoire
const isUnstorableText = (error: unknown): boolean => sqlState(error) === '22021';

/**
 * The same error, or the problem that it stands for: `unavailable` if the database failed – never a business
 * outcome – and `malformed_request` for a text that it cannot store.
 */
export function databaseProblem(error: unknown): unknown {
  if (isUnstorableText(error)) {
    return new Problem('malformed_request', 'A text holds a character that cannot be stored (NUL).', { cause: error });
  }
  if (!isFailure(error)) return error;
  return new Problem('unavailable', 'The database is temporarily unavailable.', {
    retryAfterSeconds: 1,
    cause: error,
  });
}
