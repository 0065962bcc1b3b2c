import { beforeAll, beforeEach, expect, jest, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { orderPlaced } from '#events/order-placed.ts';
import { ping } from '#local/ping.ts';
import { deliver, eventOf } from '#test/support/calls.ts';
import { connection, row, rows, useDatabase } from '#test/support/database.ts';
import { context, useBroker } from '#test/support/context.ts';
import type { ShopEvent } from '#platform/events/event.ts';
import { handle } from './index.ts';
import { reconcile } from './reconcile.ts';
import { tables, type ScannedTable, type ScanPage } from './stranded.ts';

useDatabase();

const published: ShopEvent[] = [];
beforeAll(() => useBroker(async (event) => void published.push(event)));
beforeEach(async () => {
  published.length = 0;
  await rows('delete from events.outbox');
});

async function inOutbox(age: string, dueIn = '-1 second', attempts = 0): Promise<string> {
  const { signature: _, ...event } = eventOf(orderPlaced, { orderId: uuidv7(), userId: uuidv7() }) as ShopEvent & {
    signature: string;
  };
  await rows(
    `insert into events.outbox (id, event, attempts, created_at, due_at)
     values ($1, $2, $3, now() - $4::interval, now() + $5::interval)`,
    [event.id, event, attempts, age, dueIn],
  );
  return event.id;
}
const sweep = () => deliver(handle, ping());

test('publishes what is due again, signed, and schedules it for later', async () => {
  const id = await inOutbox('2 seconds');
  await inOutbox('0 seconds', '1 second');
  expect(await sweep()).toEqual({ status: 204 });
  expect(published.map((event) => event.id)).toEqual([id]);
  expect(published.every(context.signer.isVerified)).toBe(true);
  expect(await row('select attempts, due_at > now() as later from events.outbox where id = $1', [id])).toEqual({
    attempts: 1,
    later: true,
  });
});

test('publishes everything that is due, however much it is', async () => {
  for (let index = 0; index < 250; index += 1) await inOutbox('2 seconds');
  await sweep();
  expect(new Set(published.map(({ id }) => id)).size).toBe(250);
});

test('leaves a row that another process has locked to it', async () => {
  const id = await inOutbox('2 seconds');
  const other = await connection();
  await other.query('begin');
  await other.query('select id from events.outbox where id = $1 for update', [id]);
  await sweep();
  expect(published).toEqual([]);
  await other.query('rollback');
});

test.each([
  [0, 1],
  [4, 1],
  [5, 5],
  [24, 5],
  [25, 10],
  [30, 320],
  [40, 600],
  [1_000, 600],
])('schedules the next attempt after %s attempts in %s s', async (attempts, seconds) => {
  const id = await inOutbox('1 hour', '-1 second', attempts);
  await sweep();
  const { wait } = await row<{ wait: number }>(
    'select extract(epoch from due_at - clock_timestamp())::float as wait from events.outbox where id = $1',
    [id],
  );
  expect(wait).toBeGreaterThan(seconds - 1);
  expect(wait).toBeLessThanOrEqual(seconds);
});

test('dead-letters a chain that has not ended within a day as undelivered, once', async () => {
  const id = await inOutbox('25 hours', '1 second');
  await sweep();
  await sweep();
  expect(published).toEqual([]);
  expect(await rows('select event_id, reason, verified, times from events.dead_letters')).toEqual([
    { event_id: id, reason: 'undelivered', verified: true, times: 1 },
  ]);
  expect(await rows('select id from events.outbox')).toEqual([]);
});

// promise: bulk-replay-of-any-length
test('dead-letters every chain older than a day, however many, after publishing what is due', async () => {
  const due = await inOutbox('2 seconds');
  await rows(`
    insert into events.outbox (id, event, created_at, due_at)
    select id, json_build_object('id', id, 'source', '/shop/create-order', 'type', 'shop.order.placed.v1'),
           now() - interval '25 hours', now() + interval '1 hour'
      from (select gen_random_uuid() || '.placed' as id from generate_series(1, 5000)) as chain`);
  const isFirst = jest.fn<(parked: number) => void>();
  useBroker(async () => isFirst((await row<{ parked: number }>(undelivered)).parked));
  const { parked } = await row<{ parked: number }>(undelivered);
  expect(await sweep()).toEqual({ status: 204 });
  expect(isFirst).toHaveBeenCalledWith(parked);
  expect(await row(undelivered)).toEqual({ parked: parked + 5_000 });
  expect(await rows('select id from events.outbox')).toEqual([{ id: due }]);
  useBroker(async (event) => void published.push(event));
});

const undelivered = `select count(*) as parked from events.dead_letters where reason = 'undelivered'`;

test('reads at most one page of rows in a statement, however many orders there are', async () => {
  const userId = uuidv7();
  await rows(
    `insert into ordering.orders (id, user_id, idempotency_key, request_hash, total, currency, status, paid_at, created_at)
     select gen_random_uuid(), $1, number, '', 1, 'usd', 'paid', now() - interval '3 days', now() - interval '3 days'
       from generate_series(1, 25000) as number`,
    [userId],
  );
  const pages: ScanPage[] = [];
  const [orders] = tables as [ScannedTable];
  for (let after: string | null = '00000000-0000-0000-0000-000000000000'; after !== null;) {
    const page = await orders.scan(context.database, after, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
    pages.push(page);
    after = page.last;
  }
  expect(pages.map(({ rows: count }) => count)).toEqual([10_000, 10_000, 5_000, 0]);
  expect(pages.flatMap(({ stranded }) => stranded)).toEqual([]);
});

// promise: lost-outbox-row
test('reopens every stranded chain in any minute of the hour, even if a wrong clock made its id', async () => {
  await rows('delete from ordering.orders');
  const ids = ['00000000-0000-7000-8000-000000000001', uuidv7(), 'f0000000-0000-7000-8000-000000000001'];
  for (const id of ids) {
    await rows(
      `insert into ordering.orders (id, user_id, idempotency_key, request_hash, total, currency, created_at)
       values ($1, $2, $1::uuid::text, '', 1, 'usd', now() - interval '2 minutes')`,
      [id, uuidv7()],
    );
  }
  for (const minute of [0, 17, 59]) {
    await rows('delete from events.outbox');
    await reconcile(context.database, new Date(Date.UTC(2026, 10, 27, 10, minute)));
    const chains = await rows<{ id: string }>('select id from events.outbox order by id');
    expect(chains.map(({ id }) => id)).toEqual(ids.map((id) => `${id}.placed`));
  }
});
