import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { connectionTo } from '#platform/database/connection.ts';

/**
 * Rejects a connection pooler that may run each transaction in another session, as PgBouncer does in transaction or
 * statement mode: prepared statements, session settings and advisory locks would belong to another client. A pooler in
 * session mode behaves like the server itself. Throws one sentence.
 */
export async function refuseSharedSessions(databaseUrl: string): Promise<void> {
  const [first, second] = [databaseUrl, databaseUrl].map((url) => new pg.Client(connectionTo(url)));
  if (!first || !second) return;
  const mark = randomUUID();
  const marked = async (client: pg.Client) =>
    (await client.query<{ mark: string | null }>(`select current_setting('shop.session', true) as mark`)).rows[0]?.mark;
  try {
    await first.connect();
    await first.query(`select set_config('shop.session', $1, false)`, [mark]);
    await second.connect();
    // an open transaction pins its session: the first client's, if the two share one
    await second.query('begin');
    const isShared = (await marked(second)) === mark || (await marked(first)) !== mark;
    await second.query('rollback');
    if (isShared) throw new Error(refusal);
  } catch (error) {
    if (/statement pooling/i.test((error as Error).message)) throw new Error(refusal, { cause: error });
    throw error;
  } finally {
    await Promise.all([first, second].map((client) => client.end().catch(() => undefined)));
  }
}

const refusal =
  'DATABASE_URL leads to a pooler in transaction mode, with which prepared statements do not work: ' +
  'set its pool_mode to session, or connect to Postgres itself.';
