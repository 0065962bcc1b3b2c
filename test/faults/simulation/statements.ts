import { createHash } from 'node:crypto';
import pg from 'pg';
import { databaseOf, type Database } from '#platform/database/database.ts';
import { connection } from '#test/support/database.ts';

/** A statement that a function has sent. It waits until the simulation executes or loses it. */
export interface Sent {
  name: string;
  text: string;
  values: unknown[];
  resolve: (result: { rows: unknown[] }) => void;
  reject: (error: unknown) => void;
}

/** The connection between the functions and the real database: the simulation decides what passes it, and when. */
export interface Statements {
  /** Waiting, in the order in which they were sent. */
  readonly sent: Sent[];
  execute(one: Sent): Promise<void>;
  /** The connection is lost before the statement arrives. */
  loseBefore(one: Sent): void;
  /** The statement is executed and committed, and the connection is lost before its result arrives. */
  loseAfter(one: Sent): Promise<void>;
  /** Postgres chooses the statement as the victim of a deadlock: it is rolled back, and its caller may repeat it. */
  refuse(one: Sent): void;
  /**
   * The first is executed and holds its locks while the second starts on another connection and either waits for them
   * or passes. Then the first is committed, or its process is killed and it is rolled back.
   * Resolves with whether the second had to wait.
   */
  overlap(first: Sent, second: Sent, end: 'commit' | 'rollback'): Promise<boolean>;
  /** A query of the simulation itself. */
  ask<Row extends object>(text: string, values?: unknown[]): Promise<Row[]>;
  /** The database of the functions. */
  readonly database: Database;
}

// a sender marks its mails after a pause, by the real clock, and touches only their own rows
const notControlled = 'send-notification.mark';

/** Takes control of the functions' statements. */
export async function takeStatements(): Promise<Statements> {
  const [first, second, own] = await Promise.all([connection(), connection(), connection()]);
  for (const client of [first, second, own]) {
    await client.query('set synchronous_commit = off; set plan_cache_mode = force_generic_plan');
  }
  const [{ pid: secondPid }] = (await second.query<{ pid: number }>('select pg_backend_pid() as pid')).rows as [
    { pid: number },
  ];
  const sent: Sent[] = [];
  const database = databaseOf(async (query) => {
    if (query.name === notControlled) return (await own.query(query)).rows as object[];
    const { promise, resolve, reject } = Promise.withResolvers<{ rows: unknown[] }>();
    sent.push({ ...query, resolve, reject });
    return (await promise).rows as object[];
  });

  const run = async (client: pg.Client, { name, text, values }: Sent) => {
    const { rows } = await client.query<{ event?: { id: string } }>({ name, text, values });
    // SQL guarantees no order here, and the simulation must not depend on one; ids are in the order of their creation
    if (name === 'outbox.take_due') rows.sort((a, b) => ((a.event?.id ?? '') < (b.event?.id ?? '') ? -1 : 1));
    return { rows };
  };
  const lost = () => new Error('Connection terminated unexpectedly');
  const execute = (one: Sent) => run(first, one).then(one.resolve, one.reject);

  return {
    sent,
    database,
    execute,
    loseBefore: (one) => one.reject(lost()),
    loseAfter: (one) => run(first, one).then(() => one.reject(lost()), one.reject),
    refuse: (one) =>
      one.reject(Object.assign(new pg.DatabaseError('deadlock detected', 0, 'error'), { code: '40P01' })),
    overlap: async (one, other, end) => {
      await first.query('begin');
      const held = await run(first, one).catch((error: unknown) => ({ error }));
      let ended = false;
      const begun = run(second, other)
        .then(
          (result) => () => other.resolve(result),
          (error: unknown) => () => other.reject(error),
        )
        .finally(() => {
          ended = true;
        });
      while (!ended && !(await isBlocked(first, secondPid)));
      const waited = !ended;
      await first.query('error' in held ? 'rollback' : end);
      const completeOther = await begun;
      // both at once, so that the next steps do not depend on which result arrives first
      if ('error' in held) one.reject(held.error);
      else if (end === 'commit') one.resolve(held);
      else one.reject(lost());
      completeOther();
      return waited;
    },
    ask: async <Row extends object>(text: string, values: unknown[] = []) =>
      (await own.query<Row>(values.length > 0 ? { name: nameOf(text), text, values } : text)).rows,
  };
}

/** A name lets Postgres plan a query once: the check of all invariants takes longer to plan than to run. */
const nameOf = (text: string) => `simulation.${createHash('sha256').update(text).digest('base64url').slice(0, 16)}`;

async function isBlocked(observer: pg.Client, pid: number): Promise<boolean> {
  const { rows } = await observer.query<{ blocked: boolean }>({
    name: 'simulation.blocked',
    text: 'select cardinality(pg_blocking_pids($1)) > 0 as blocked',
    values: [pid],
  });
  return rows[0]?.blocked ?? false;
}
