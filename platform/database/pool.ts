import pg from 'pg';
import type { Clock } from '#platform/database/clock.ts';
import { LostStatement } from '#platform/database/lost.ts';
import { log } from '#platform/telemetry/log.ts';

/** A statement as pg takes it. */
export interface Query {
  name: string;
  text: string;
  values: unknown[];
}

interface Options extends Pick<pg.PoolConfig, 'connectionString' | 'ssl' | 'max'> {
  name: string;
  clock: Clock;
}

// bigint as a number: no amount, version or count in this schema passes 2^53 - 1 (the schema checks it)
const types = new pg.TypeOverrides();
types.setTypeParser(pg.types.builtins.INT8, Number);

// A statement that waits for a lock or runs for too long is ended, and its event delivered again. A plan is
// stored at its first use; one that was made while a table was still empty must not scan it.
const session = `
  select current_setting('shop.session', true) as "usedBefore",
         pg_is_in_recovery() as "isStandby",
         clock_timestamp() as time;
  set shop.session = 'used';
  set lock_timeout = '3s';
  set statement_timeout = '8s';
  set idle_in_transaction_session_timeout = '10s';
  set plan_cache_mode = force_generic_plan;
  set enable_seqscan = off`;

interface Session {
  /** Set if another connection used this session, and no pooler has reset it (`discard all`) in between. */
  usedBefore: string | null;
  isStandby: boolean;
  time: Date;
}

// Ends the wait for a server that has vanished, or for a commit that waits for a synchronous standby, which
// statement_timeout does not. More than statement_timeout, less than the 10 s that the storefront waits for a function.
const queryTimeoutMs = 9_000;

// all connections are renewed at most this often: a database that is read-only on purpose still serves reads
const renewEveryMs = 5_000;

/** Opens connections to the primary only, and closes those that no longer lead there. */
export function createPool({ name, clock, ...to }: Options) {
  const pool = new pg.Pool({
    ...to,
    application_name: name,
    connectionTimeoutMillis: 5_000,
    query_timeout: queryTimeoutMs,
    // finds idle connections to a server that has vanished, ten seconds after the first probe
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    // a new connection costs a log-in and a plan per statement
    idleTimeoutMillis: 5 * 60_000,
    types,
    // Not as options of the connection, which poolers refuse; a pooler in session mode keeps what is set.
    // oxlint-disable-next-line typescript/no-misused-promises -- the pool waits for it
    onConnect: (client) => beginSession(client, clock),
  });
  // without a listener a terminated idle connection would end the process
  pool.on('error', (error) => log.warn({ err: error.message }, 'an idle database connection was lost'));
  const openedAt = new WeakMap<pg.PoolClient, number>();
  pool.on('connect', (client) => openedAt.set(client, performance.now()));
  let renewedAt = -Infinity;

  /** A connection that was opened after the last `renew`. */
  async function take(): Promise<pg.PoolClient> {
    for (;;) {
      const client = await pool.connect().catch((error: unknown) => {
        throw isResponse(error) ? error : new Error('There is no connection to the database.', { cause: error });
      });
      if ((openedAt.get(client) ?? 0) >= renewedAt) return client;
      client.release(true);
    }
  }

  /** Closes every connection before its next use: they lead to the same server as the one that has just failed. */
  function renew(): void {
    const now = performance.now();
    if (now - renewedAt > renewEveryMs) renewedAt = now;
  }

  /**
   * Runs a statement. Throws `LostStatement` if it may have committed although its response did not come. The connection
   * of a statement that failed is closed: a late response must not be taken for that of another statement.
   */
  async function run(query: Query): Promise<object[]> {
    const client = await take();
    // an error of the connection fails the statement as well; without a listener it would end the process
    client.on('error', ignore);
    try {
      const { rows } = await client.query<object>(query);
      client.release();
      return rows;
    } catch (error) {
      client.release(error as Error);
      const outcome = isLost(error) ? new LostStatement(query.name, error) : error;
      if (isReadOnly(error) || (outcome instanceof LostStatement && outcome.isTimeout)) renew();
      throw outcome;
    } finally {
      client.off('error', ignore);
    }
  }

  return { pool, run };
}

const ignore = () => undefined;

async function beginSession(client: pg.ClientBase, clock: Clock): Promise<void> {
  const askedAt = performance.now();
  const results = (await client.query(session)) as unknown as pg.QueryResult<Session>[];
  const found = results[0]?.rows[0];
  if (!found) return;
  if (found.usedBefore) {
    throw new Error(
      'The pooler in front of Postgres is in transaction mode; the shop needs session mode (pool_mode = session).',
    );
  }
  if (found.isStandby) throw new Error('The connection leads to a standby of Postgres, which cannot be written to.');
  clock.set(found.time, (askedAt + performance.now()) / 2);
}

/** SQLSTATE read_only_sql_transaction. */
const isReadOnly = (error: unknown): boolean => error instanceof pg.DatabaseError && error.code === '25006';

/** Whether an error is the server's. */
const isResponse = (error: unknown) => error instanceof pg.DatabaseError;

/** Whether the connection was lost rather than that the server responded: it has closed it, or is silent. */
function isLost(error: unknown): error is Error {
  if (error instanceof pg.DatabaseError) return /^(08|57P0)/.test(error.code ?? '');
  return error instanceof Error && (/connection|timeout/i.test(error.message) || 'errno' in error);
}
