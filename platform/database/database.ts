import pg from 'pg';
import { Gauge } from 'prom-client';
import { z } from 'zod';
import { setClock } from '#platform/database/clock.ts';
import { log, thisFunction } from '#platform/telemetry/log.ts';
import { registry } from '#platform/telemetry/metrics.ts';
import { Problem } from '#platform/http/problem.ts';
import { settings, wholeNumber } from '#platform/runtime/settings.ts';

const { DATABASE_URL, DATABASE_POOL, K_SERVICE } = settings({
  DATABASE_URL: z.string().regex(/^postgres(ql)?:\/\//, 'must be a postgres:// URL'),
  DATABASE_POOL: wholeNumber(1, 100).default(8),
  K_SERVICE: z.string().default('shop'),
});

// bigint as a number: no amount, version or count in this schema passes 2^53 - 1 (the schema checks it)
const types = new pg.TypeOverrides();
types.setTypeParser(pg.types.builtins.INT8, Number);

// A statement that waits for a lock or runs for too long is ended, and its event delivered again. A plan is kept from its
// first use on; made while a table was still empty, it must not be one that scans it.
const session = `
  set lock_timeout = '3s';
  set statement_timeout = '8s';
  set idle_in_transaction_session_timeout = '10s';
  set plan_cache_mode = force_generic_plan;
  set enable_seqscan = off;
  select clock_timestamp() as time`;

const pool = new pg.Pool({
  connectionString: DATABASE_URL,
  max: DATABASE_POOL,
  application_name: K_SERVICE,
  connectionTimeoutMillis: 5_000,
  // a new connection costs a log-in and a plan a statement
  idleTimeoutMillis: 5 * 60_000,
  types,
  // Not as options of the connection, which poolers refuse; a pooler in session mode keeps what is set.
  // oxlint-disable-next-line typescript/no-misused-promises -- the pool waits for it
  onConnect: async (client) => {
    const askedAt = performance.now();
    const results = (await client.query(session)) as unknown as pg.QueryResult<{ time: Date }>[];
    const time = results.at(-1)?.rows[0]?.time;
    if (time) setClock(time, (askedAt + performance.now()) / 2);
  },
});
// without a listener a terminated idle connection would end the process
pool.on('error', (error) => log.warn({ err: error.message }, 'an idle database connection was lost'));

export const poolSize = new Gauge({
  name: 'shop_database_connections',
  help: 'Connections to the database: busy with a statement, or idle',
  labelNames: ['function', 'state'] as const,
  registers: [registry],
  collect() {
    this.set({ function: thisFunction, state: 'busy' }, pool.totalCount - pool.idleCount);
    this.set({ function: thisFunction, state: 'idle' }, pool.idleCount);
  },
});

export const poolQueue = new Gauge({
  name: 'shop_database_waiting',
  help: 'Statements that wait for a connection to the database',
  labelNames: ['function'] as const,
  registers: [registry],
  collect() {
    this.set({ function: thisFunction }, pool.waitingCount);
  },
});

/** Opens a first connection, which also reads the database's clock. Never fails: statements connect again. */
export async function connectDatabase(): Promise<void> {
  await pool.connect().then(
    (client) => client.release(),
    (error: unknown) => log.warn({ err: error }, 'the database is not available yet'),
  );
}

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

/** Runs a statement that gives any number of rows. */
export async function many<Row extends object>({ name, text }: Statement<Row>, values: unknown[] = []): Promise<Row[]> {
  const { rows } = await pool.query<Row>({ name, text, values });
  return rows;
}

/** Runs a statement that gives one row or none. */
export async function maybeOne<Row extends object>(
  which: Statement<Row>,
  values: unknown[] = [],
): Promise<Row | undefined> {
  const rows = await many(which, values);
  if (rows.length > 1) throw new Error(`${which.name} gave ${rows.length} rows, at most one was expected`);
  return rows[0];
}

/** Runs a statement that gives exactly one row. */
export async function one<Row extends object>(which: Statement<Row>, values: unknown[] = []): Promise<Row> {
  const row = await maybeOne(which, values);
  if (!row) throw new Error(`${which.name} gave no row, one was expected`);
  return row;
}

/** Closes the connections once their statements are done. */
export async function closeDatabase(): Promise<void> {
  await pool.end();
}

const sqlState = (error: unknown): string | undefined => (error instanceof pg.DatabaseError ? error.code : undefined);

/** Whether the data was at fault (SQLSTATE class 22 or 23): trying again cannot help. */
export const isBadData = (error: unknown): boolean => /^2[23]/.test(sqlState(error) ?? '');

/** Whether the statement lost to another one (serialization failure, deadlock): it may be tried again at once. */
export const isConflict = (error: unknown): boolean => ['40001', '40P01'].includes(sqlState(error) ?? '');

/** Whether the statement took longer than `statement_timeout` (SQLSTATE query_canceled). */
export const isTimeout = (error: unknown): boolean => sqlState(error) === '57014';

/**
 * Whether the database was in trouble rather than the data or the statement: no connection, no resources,
 * shut down, read-only, a lock or the statement took too long.
 */
export function isFailure(error: unknown): boolean {
  const state = sqlState(error);
  if (state !== undefined) return /^(08|25|40|53|55|57|58)/.test(state);
  return error instanceof Error && (/connection|timeout|pool/i.test(error.message) || 'errno' in error);
}

// the one character that JSON knows and a text in Postgres does not: SQLSTATE character_not_in_repertoire
const isUnkeepableText = (error: unknown): boolean => sqlState(error) === '22021';

/**
 * The same error, or the problem that it stands for: `unavailable` if the database was in trouble – never to be taken
 * for a business answer – and `malformed_request` for a text that it cannot keep.
 */
export function databaseProblem(error: unknown): unknown {
  if (isUnkeepableText(error)) {
    return new Problem('malformed_request', 'A text holds a character that cannot be kept (NUL).', { cause: error });
  }
  if (!isFailure(error)) return error;
  return new Problem('unavailable', 'The database is not available at the moment.', {
    retryAfterSeconds: 1,
    cause: error,
  });
}
