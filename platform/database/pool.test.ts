import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { createClock } from '#platform/database/clock.ts';
import { createDatabase, isFailure, statement, type DatabasePool } from '#platform/database/database.ts';
import { LostStatement } from '#platform/database/lost.ts';
import { context } from '#test/support/context.ts';
import { row, rows, useDatabase } from '#test/support/database.ts';
import { startPostgresProxy, type PostgresProxy } from '#test/support/postgres-proxy.ts';
import { startSharingPooler } from '#test/support/sharing-pooler.ts';
import { until } from '#test/support/until.ts';

useDatabase();

let proxy: PostgresProxy;
let pool: DatabasePool | undefined;
const direct = process.env['DATABASE_URL'] ?? '';
const serverPort = Number(new URL(direct).port);
beforeAll(async () => {
  proxy = await startPostgresProxy(serverPort);
  await rows('create table public.marks (id int primary key); grant all on public.marks to public');
  await context.connect();
});
afterEach(async () => {
  await pool?.close();
  pool = undefined;
});
afterAll(() => proxy.close());

/** A pool that connects by this address, as a process has it. */
function connectBy(url: string): DatabasePool {
  process.env['DATABASE_URL'] = url;
  pool = createDatabase({ name: 'test', clock: createClock() });
  return pool;
}

const session = statement<{ pid: number; pause: string }>('test.pid', 'select pg_backend_pid() as pid, pg_sleep($1)');
const readOnly = statement<{ pause: string }>(
  'test.read_only',
  `select set_config('default_transaction_read_only', 'on', false), pg_sleep(0.2)`,
);
const insert = statement<{ id: number }>('test.insert', 'insert into public.marks values ($1) returning id');

const failure = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => new Error('it did not fail'),
    (error: Error) => error,
  );

// promise: failover
test('leaves a server that has become read-only with all connections, at the first write', async () => {
  const { many, one } = connectBy(direct);
  await Promise.all([1, 2, 3].map(() => many(readOnly)));
  const refused = await failure(one(insert, [1]));
  expect(refused).toMatchObject({ code: '25006' });
  expect(isFailure(refused)).toBe(true);
  for (const id of [1, 2, 3]) expect(await one(insert, [id])).toEqual({ id });
});

// promise: failover
test('ends a statement whose server has vanished, and never takes its late response for another one', async () => {
  const { one } = connectBy(proxy.urlOf(direct));
  const [{ pid }] = await Promise.all([one(session, [0.2]), one(session, [0.2])]);
  const began = performance.now();
  const lost = failure(one(insert, [10]));
  proxy.freeze();
  const error = await lost;
  expect(performance.now() - began).toBeLessThan(10_000);
  expect(error).toBeInstanceOf(LostStatement);
  expect(isFailure(error)).toBe(true);
  // the idle connection to the same server is not used either
  const next = await Promise.all([one(session, [0.2]), one(session, [0.2])]);
  expect(next.map((other) => other.pid)).not.toContain(pid);
}, 30_000);

test('reports a statement as lost when its session is terminated, and as failed when there is no connection', async () => {
  const { one } = connectBy(proxy.urlOf(direct));
  const lost = failure(one(session, [20]));
  await until('it runs', async () => {
    const terminated = await rows(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'test' and state = 'active'`,
    );
    return terminated.length > 0;
  });
  expect(await lost).toBeInstanceOf(LostStatement);
  proxy.lead(1);
  const refused = await failure(one(session, [0]));
  expect(refused).not.toBeInstanceOf(LostStatement);
  expect(isFailure(refused)).toBe(true);
  proxy.lead(serverPort);
  expect(await one(session, [0])).toMatchObject({ pid: expect.any(Number) });
});

// promise: poolers
test('refuses a pooler in transaction mode, which gives a session to several connections', async () => {
  const pooler = await startSharingPooler(serverPort, { resets: false });
  await connectBy(pooler.urlOf(direct)).one(session, [0]);
  await pool?.close();
  const refused = await failure(connectBy(pooler.urlOf(direct)).one(session, [0]));
  expect(refused.cause).toMatchObject({
    message:
      'The pooler in front of Postgres is in transaction mode; the shop needs session mode (pool_mode = session).',
  });
  expect(isFailure(refused)).toBe(true);
  await pool?.close();
  pool = undefined;
  await pooler.close();
});

// promise: poolers
test('works with a pooler in session mode, which resets a session before it gives it to another connection', async () => {
  const pooler = await startSharingPooler(serverPort, { resets: true });
  const { pid } = await connectBy(pooler.urlOf(direct)).one(session, [0]);
  await pool?.close();
  expect(await connectBy(pooler.urlOf(direct)).one(session, [0])).toMatchObject({ pid });
  expect(await row('select count(*) as sessions from pg_stat_activity where pid = $1', [pid])).toEqual({ sessions: 1 });
  await pool?.close();
  pool = undefined;
  await pooler.close();
});
