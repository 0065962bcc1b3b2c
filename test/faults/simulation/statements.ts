import { createHash } from 'node:crypto';
import pg from 'pg';
import { connection } from '#test/support/database.ts';

/** A statement that a function has sent. Nothing comes of it until it is carried out or lost. */
export interface Sent {
  name: string;
  text: string;
  values: unknown[];
  answer: (result: { rows: unknown[] }) => void;
  fail: (error: unknown) => void;
}

/** The way from the functions to the real database: the simulation says when what goes over it, and what does not. */
export interface Statements {
  /** Waiting, in the order in which they were sent. */
  readonly sent: Sent[];
  carryOut(one: Sent): Promise<void>;
  /** The connection is lost before the statement has arrived. */
  loseBefore(one: Sent): void;
  /** It is carried out and committed, and the connection is lost before its answer. */
  loseAfter(one: Sent): Promise<void>;
  /** Postgres takes it for one side of a deadlock: it is rolled back, and its caller may repeat it. */
  refuse(one: Sent): void;
  /**
   * The first is carried out and holds its locks while the second begins on another connection; the second then waits
   * for it or passes it. After that the first is committed, or its process is killed and it is rolled back.
   * Gives whether the second had to wait.
   */
  overlap(first: Sent, second: Sent, end: 'commit' | 'rollback'): Promise<boolean>;
  /** A query of the simulation itself. */
  ask<Row extends object>(text: string, values?: unknown[]): Promise<Row[]>;
  /** Gives the functions their own connections again. */
  release(): void;
}

// the marks of mails come when their sender has paused, by the real clock, and touch nothing but their own rows
const unwatched = 'send-notification.mark';

/** Takes the functions' statements over. */
export async function takeStatements(): Promise<Statements> {
  const [first, second, own] = await Promise.all([connection(), connection(), connection()]);
  for (const client of [first, second, own]) {
    await client.query('set synchronous_commit = off; set plan_cache_mode = force_generic_plan');
  }
  const [{ pid: secondPid }] = (await second.query<{ pid: number }>('select pg_backend_pid() as pid')).rows as [
    { pid: number },
  ];
  const sent: Sent[] = [];
  const { query } = pg.Pool.prototype;
  pg.Pool.prototype.query = ((config: { name: string; text: string; values: unknown[] }) => {
    if (config.name === unwatched) return own.query({ ...config });
    return new Promise((answer, fail) => {
      sent.push({ ...config, answer, fail });
    });
  }) as unknown as typeof query;

  const run = async (client: pg.Client, { name, text, values }: Sent) => {
    const { rows } = await client.query<{ event?: { id: string } }>({ name, text, values });
    // SQL promises no order here, and the simulation must not depend on one; ids are in the order of their making
    if (name === 'outbox.take_due') rows.sort((a, b) => ((a.event?.id ?? '') < (b.event?.id ?? '') ? -1 : 1));
    return { rows };
  };
  const lost = () => new Error('Connection terminated unexpectedly');
  const carryOut = (one: Sent) => run(first, one).then(one.answer, one.fail);

  return {
    sent,
    carryOut,
    loseBefore: (one) => one.fail(lost()),
    loseAfter: (one) => run(first, one).then(() => one.fail(lost()), one.fail),
    refuse: (one) => one.fail(Object.assign(new pg.DatabaseError('deadlock detected', 0, 'error'), { code: '40P01' })),
    overlap: async (one, other, end) => {
      await first.query('begin');
      const held = await run(first, one).catch((error: unknown) => ({ error }));
      let ended = false;
      const begun = run(second, other)
        .then(
          (result) => () => other.answer(result),
          (error: unknown) => () => other.fail(error),
        )
        .finally(() => {
          ended = true;
        });
      while (!ended && !(await isHeldUp(first, secondPid)));
      const waited = !ended;
      await first.query('error' in held ? 'rollback' : end);
      const goOnWithOther = await begun;
      // both at once, so that what follows does not depend on which of them the network was quicker with
      if ('error' in held) one.fail(held.error);
      else if (end === 'commit') one.answer(held);
      else one.fail(lost());
      goOnWithOther();
      return waited;
    },
    ask: async <Row extends object>(text: string, values: unknown[] = []) =>
      (await own.query<Row>(values.length > 0 ? { name: nameOf(text), text, values } : text)).rows,
    release: () => {
      pg.Pool.prototype.query = query;
    },
  };
}

/** Planned once: the look at all invariants takes longer to plan than to run. */
const nameOf = (text: string) => `simulation.${createHash('sha256').update(text).digest('base64url').slice(0, 16)}`;

async function isHeldUp(asking: pg.Client, pid: number): Promise<boolean> {
  const { rows } = await asking.query<{ held: boolean }>({
    name: 'simulation.held',
    text: 'select cardinality(pg_blocking_pids($1)) > 0 as held',
    values: [pid],
  });
  return rows[0]?.held ?? false;
}
