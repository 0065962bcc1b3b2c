import { performance } from 'node:perf_hooks';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type pg from 'pg';
import { handle as charge } from '#functions/charge-account/index.ts';
import { handle as create } from '#functions/create-order/index.ts';
import { notifyBy } from '#functions/send-notification/index.ts';
import { createOutgoing } from '#functions/send-notification/outgoing.ts';
import { handle as settle } from '#functions/settle-order/index.ts';
import { callStarted, deliverTo } from '#test/support/calls.ts';
import { newContext, useBroker } from '#test/support/context.ts';
import { connection, rows, useDatabase } from '#test/support/database.ts';
import { databaseOf } from '#platform/database/database.ts';
import type { ShopEvent } from '#platform/events/event.ts';
import { sized } from '#test/support/sizes.ts';

// What an order costs the database. Counted, not timed, so it is the same on every machine and a step that becomes more
// expensive shows up. Everything runs over one connection, whose backend reports what it did.

const stored = sized(20_000, 1_000_000);
jest.setTimeout(60_000 + stored);
useDatabase();

let backend: pg.Client;
let statements: string[] = [];
let customers: string[] = [];

const context = newContext({
  database: databaseOf(async (query) => {
    statements.push(query.name);
    return (await backend.query(query)).rows as object[];
  }),
});
const mailer = { send: async () => ({ sent: true }) as const, close: () => undefined };
const notify = notifyBy(({ database, tasks }) => createOutgoing({ database, tasks, mailer }));
const createOrder = create(context);
const functions = new Map([
  ['shop.order.placed.v1', charge(context)],
  ['shop.charge.succeeded.v1', settle(context)],
  ['shop.order.paid.v1', notify(context)],
]);
const { republishDue } = context.outbox;
const { eventLoopUtilization } = performance;

beforeAll(async () => {
  backend = await connection();
  // as platform/database/database.ts sets it
  await backend.query('set plan_cache_mode = force_generic_plan; set enable_seqscan = off');
  // a busy process sends mails later: how busy this one is depends on the machine
  performance.eventLoopUtilization = () => ({ idle: 1, active: 0, utilization: 0 });
  useBroker(follow);
  customers = await fill(stored);
});
afterAll(() => {
  performance.eventLoopUtilization = eventLoopUtilization;
});

/** Delivers an event and all that follow from it, as the broker does. */
async function follow(event: ShopEvent): Promise<void> {
  for (let next: ShopEvent | undefined = event; next;) {
    const found = functions.get(next.type);
    if (!found) throw new Error(`no function here handles ${next.type}`);
    const reply: { status: number; event?: ShopEvent } = await deliverTo(found, next);
    expect(reply.status).toBeLessThan(300);
    next = reply.event;
  }
}

/** Inserts customers with a balance and a paid order each; returns the ids of some. */
async function fill(count: number): Promise<string[]> {
  await rows(
    `
    with customer as (
      select gen_random_uuid() as user_id, gen_random_uuid() as account_id, gen_random_uuid() as order_id
        from generate_series(1, $1::int)
    ), registered as (
      insert into users.users (id, email, name, password_hash)
      select user_id, user_id || '@example.com', 'Ann', '$argon2id$none' from customer
    ), opened as (
      insert into billing.accounts (id, user_id, balance, deposited, version)
      select account_id, user_id, 1000000, 1000000, 1 from customer
    ), placed as (
      insert into ordering.orders (id, user_id, idempotency_key, request_hash, total, currency, status, paid_at)
      select order_id, user_id, 'first', '', 100, 'usd', 'paid', now() from customer
    ), charged as (
      insert into billing.charges (order_id, user_id, account_id, amount, currency, outcome)
      select order_id, user_id, account_id, 100, 'usd', 'succeeded' from customer
    )
    insert into notifying.notifications
           (id, event_id, user_id, order_id, template, recipient, subject, detail, correlation_id, status, due_at, sent_at)
    select gen_random_uuid(), order_id || '.paid', user_id, order_id, 'order-paid', 'a@example.com', '', '{}',
           order_id || '.placed', 'sent', null, now()
      from customer`,
    [count],
  );
  await rows('analyze');
  return (await rows<{ id: string }>('select id from users.users limit 256')).map(({ id }) => id);
}

/** Lets the planner see an empty outbox, as it is most of the time, even when thousands of chains are open in it. */
async function analyzeWhenEmpty(): Promise<void> {
  await rows(`insert into events.outbox (id, event) values ('one', '{}')`);
  await rows('analyze events.outbox');
  await rows(`delete from events.outbox where id = 'one'`);
}

/** What the backend, and the whole database, have done so far. */
async function counters() {
  await backend.query('select pg_stat_force_next_flush()');
  const [{ wal, written, scans, fetched }] = (
    await backend.query(`
      select (select wal_records from pg_stat_get_backend_wal(pg_backend_pid()))::int as wal,
             sum(n_tup_ins + n_tup_upd + n_tup_del)::int as written,
             sum(seq_scan) filter (where relname <> 'products')::int as scans,
             sum(idx_tup_fetch)::int as fetched
        from pg_stat_user_tables`)
  ).rows as [{ wal: number; written: number; scans: number; fetched: number }];
  return { wal, written, scans, fetched };
}

/** Places orders, `atATime` at once, follows each to its end, and returns the average cost. */
async function costOf(orders: number, atATime: number) {
  const before = await counters();
  statements = [];
  for (let placed = 0; placed < orders; placed += atATime) {
    const those = customers.slice(placed % customers.length, (placed % customers.length) + atATime);
    const responses = await Promise.all(
      those.map((userId) => callStarted(createOrder, { items: [{ sku: 'pen', quantity: 1 }] }, { userId })),
    );
    for (const { status } of responses) expect(status).toBe(202);
    await context.tasks.done(10_000);
  }
  const sent = statements;
  const after = await counters();
  const each = (name: keyof typeof after) => (after[name] - before[name]) / orders;
  return {
    statements: Object.fromEntries([...new Set(sent)].map((name) => [name, sent.filter((one) => one === name).length])),
    scans: after.scans - before.scans,
    fetched: each('fetched'),
    written: each('written'),
    wal: each('wal'),
  };
}

describe('an order placed alone', () => {
  test('takes one statement, and so one commit, a step, and one when its mail is sent', async () => {
    await costOf(8, 1); // pages and plans are used for the first time
    const { statements: of, written, wal } = await costOf(16, 1);
    expect(of).toEqual({
      'create-order.insert': 16,
      'charge-account.decide': 16,
      'settle-order.settle': 16,
      'send-notification.record': 16,
      'send-notification.mark': 16,
    });
    // order, line, outbox row and its end, decision, account, transfer, state, notification and its mark
    expect(written).toBe(10);
    // records of the write-ahead log: 39 with Postgres 18
    expect(wal).toBeLessThan(43);
  });
});

describe('64 orders placed at once', () => {
  test('share the statements of each step', async () => {
    await costOf(64, 64);
    const { statements: of, written, wal } = await costOf(64, 64);
    const { 'send-notification.mark': marks, ...steps } = of;
    const all = Object.values(steps).reduce((sum, count) => sum + count, 0);
    // alone they would take 256, and 64 marks; tokens are checked in several turns, and marks are written every 25 ms
    expect(all).toBeLessThanOrEqual(20);
    expect(marks).toBeLessThanOrEqual(20);
    expect(written).toBe(10);
    expect(wal).toBeLessThan(40);
  });
});

test(`after many executions no statement of the order path scans a table (${stored} orders stored)`, async () => {
  await analyzeWhenEmpty();
  for (const atATime of [1, 256]) {
    for (let time = 1; time <= 6; time += 1) await costOf(atATime, atATime);
    const { scans, fetched } = await costOf(atATime, atATime);
    expect({ atATime, scans }).toEqual({ atATime, scans: 0 });
    // a plan that reads a whole index fetches as much as a scan
    expect(fetched).toBeLessThan(50);
  }
});

test('a poll of a full outbox fetches only the rows it takes', async () => {
  await analyzeWhenEmpty();
  await rows(`
    insert into events.outbox (id, event, due_at)
    select n || '.placed', json_build_object('id', n || '.placed', 'source', '/shop/create-order'), now() - interval '1 minute'
      from generate_series(1, 2000) n`);
  useBroker(async () => undefined);
  const before = await counters();
  expect(await republishDue()).toBe(100);
  const { fetched, scans } = await counters();
  expect(scans - before.scans).toBe(0);
  expect(fetched - before.fetched).toBeLessThan(1_000);
});

test('a poll of an outbox with nothing due fetches nothing', async () => {
  await rows('delete from events.outbox');
  await analyzeWhenEmpty();
  await rows(`
    insert into events.outbox (id, event, due_at)
    select n || '.placed', json_build_object('id', n || '.placed', 'source', '/shop/create-order'), now() + interval '1 hour'
      from generate_series(1, 2000) n`);
  const before = await counters();
  expect(await republishDue()).toBe(0);
  expect((await counters()).fetched - before.fetched).toBeLessThan(10);
});

test('a recent scan skips dead index entries that an open transaction retains from before', async () => {
  await rows('truncate events.outbox'); // so that its indexes hold nothing of earlier tests
  const read = async () => {
    await backend.query('select pg_stat_force_next_flush()');
    const [index] = await rows<{ read: string }>(
      `select idx_tup_read as read from pg_stat_user_indexes where indexrelname = 'outbox_due'`,
    );
    return Number(index?.read);
  };
  const reader = await connection();
  await reader.query('begin isolation level repeatable read');
  await reader.query('select 1');
  await rows(`
    insert into events.outbox (id, event, due_at)
    select n || '.placed', '{}', now() - interval '1 minute' from generate_series(1, 2000) n`);
  await rows('delete from events.outbox');
  const before = await read();
  expect(await republishDue('10 seconds')).toBe(0);
  const afterRecent = await read();
  expect(await republishDue()).toBe(0);
  expect((await read()) - afterRecent).toBeGreaterThanOrEqual(2_000);
  // the counters belong to the whole server, where other sessions may report late what they have read
  expect(afterRecent - before).toBeLessThan(200);
  await reader.query('rollback');
});
