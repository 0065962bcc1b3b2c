import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { importJWK, SignJWT } from 'jose';
import { uuidv7 } from 'uuidv7';
import { bearer } from '#test/support/calls.ts';
import { connection, row, rows, useDatabase } from '#test/support/database.ts';
import { readStream, type StreamReader } from '#test/support/event-stream.ts';
import { customer, order, type Customer } from '#test/support/fixtures.ts';
import { serveHttp, type HttpServer } from '#platform/http/http-server.ts';
import { context } from '#test/support/context.ts';

import { createStorefront } from '#functions/storefront/index.ts';
import { createSealer } from '#functions/storefront/http/seal.ts';
import { createCursors } from './cursor.ts';

const limits = { STREAM_LIMIT: '8', STREAM_LIMIT_PER_USER: '5', STREAM_LIMIT_PER_ADDRESS: '50' };
Object.assign(process.env, limits);
const cursors = createCursors(createSealer(process.env['CURSOR_KEY'] ?? ''));

useDatabase();

let shop: HttpServer;
let url: string;
let inFlight = 0;
const serve = async () => {
  shop = await serveHttp(createStorefront(context), { port: 0, host: '127.0.0.1' });
  shop.server.on('request', (_request, response: ServerResponse) => {
    inFlight += 1;
    response.once('close', () => (inFlight -= 1));
  });
  url = `http://127.0.0.1:${(shop.server.address() as AddressInfo).port}`;
};
beforeAll(serve);
afterAll(() => shop.stop());

const open: StreamReader[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((stream) => stream.close()));
  await until(() => inFlight === 0);
});

async function watch({ userId }: Pick<Customer, 'userId'>, lastEventId?: string): Promise<StreamReader> {
  const headers = { ...(await bearer(userId)), ...(lastEventId !== undefined && { 'last-event-id': lastEventId }) };
  const stream = await readStream(`${url}/v1/events`, headers);
  open.push(stream);
  return stream;
}

async function until(happened: () => boolean | Promise<boolean>): Promise<void> {
  for (const began = performance.now(); !(await happened()); await pause(10)) {
    if (performance.now() - began > 20_000)
      throw new Error(
        `not within 20 s: ${happened.toString()} ${JSON.stringify(open.map(({ status, messages }) => [status, messages.length]))}`,
      );
  }
}
const cursorOf = ({ userId }: { userId: string }, hours: number) =>
  cursors.write({ at: new Date(Date.now() + hours * 3_600_000), keys: [] }, userId);
const told = (stream: StreamReader, count: number) => until(() => stream.messages.length >= count);
const idsOf = (stream: StreamReader) => stream.messages.map(({ data }) => data.id);
async function pay(orderId: string): Promise<void> {
  await rows(
    `insert into billing.charges (order_id, user_id, account_id, amount, currency, outcome)
     select o.id, o.user_id, a.id, o.total, 'usd', 'succeeded'
       from ordering.orders o
       join billing.accounts a on a.user_id = o.user_id
      where o.id = $1`,
    [orderId],
  );
  await rows(`update ordering.orders set status = 'paid', paid_at = clock_timestamp() where id = $1`, [orderId]);
  await rows(
    `insert into notifying.notifications
            (id, event_id, user_id, order_id, template, recipient, subject, detail, correlation_id)
     select $2, id || '.paid', user_id, id, 'order-paid', 'a@example.com', '', '{}', id || '.placed'
       from ordering.orders
      where id = $1`,
    [orderId, uuidv7()],
  );
  await rows(
    `update notifying.notifications set status = 'sent', due_at = null, sent_at = clock_timestamp() where order_id = $1`,
    [orderId],
  );
}

test('each who watches is told what happens to them, in the words of the timeline, and nothing of a stranger', async () => {
  const [ann, bob] = [await customer({ balance: 10 }), await customer({ balance: 10 })];
  const [first, second, stranger] = [await watch(ann), await watch(ann), await watch(bob)];
  expect(first.status).toBe(200);
  expect(Object.fromEntries(first.headers)).toMatchObject({
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
  });
  const orderId = await order(ann.userId, 5);
  await pay(orderId);
  const others = await order(bob.userId, 5);
  await Promise.all([told(first, 5), told(second, 5), told(stranger, 1)]);
  const timeline = await fetch(`${url}/v1/orders/${orderId}/timeline`, { headers: await bearer(ann.userId) });
  const { data } = (await timeline.json()) as { data: { type: string }[] };
  for (const { messages } of [first, second]) {
    // one look reads several tables, so that of two facts of the same moment either may be told first
    const asJson = (moment: unknown) => JSON.stringify(moment);
    expect(messages.map((message) => asJson(message.data)).toSorted()).toEqual(data.map(asJson).toSorted());
    expect(messages.every((message) => message.event === message.data.type)).toBe(true);
    expect(new Set(messages.map(({ id }) => id)).size).toBe(5);
  }
  expect(idsOf(stranger)).toEqual([`${others}.placed`]);
});

test('an account, a deposit and the mails of both are told too, but nothing of before', async () => {
  const { userId } = await customer({ balance: null });
  const before = await order(userId, 1);
  const stream = await watch({ userId });
  const [accountId, depositId] = [uuidv7(), uuidv7()];
  await rows('insert into billing.accounts (id, user_id) values ($1, $2)', [accountId, userId]);
  await told(stream, 1);
  await rows(
    `insert into billing.deposits
            (id, account_id, user_id, idempotency_key, request_hash, amount, currency, balance_after)
     values ($1, $2, $3, 'k', '', 7, 'usd', 7)`,
    [depositId, accountId, userId],
  );
  await told(stream, 2);
  await rows(
    `insert into notifying.notifications (id, event_id, user_id, template, recipient, subject, detail, correlation_id)
     values ($1, $2, $3, 'deposit-received', 'a@example.com', '', '{}', $2)`,
    [uuidv7(), `${depositId}.succeeded`, userId],
  );
  await told(stream, 3);
  expect(stream.messages.map(({ data }) => data)).toMatchObject([
    { type: 'shop.account.opened.v1', id: `${accountId}.opened`, correlationId: `${userId}.registered` },
    { type: 'shop.deposit.succeeded.v1', id: `${depositId}.succeeded`, detail: { amount: 7, currency: 'usd' } },
    { type: 'notification.queued', detail: { template: 'deposit-received' }, correlationId: `${depositId}.succeeded` },
  ]);
  expect(idsOf(stream)).not.toContain(`${before}.placed`);
});

describe('taken up again by Last-Event-ID', () => {
  test('the stream goes on where it was, and tells nothing twice', async () => {
    const ann = await customer();
    const first = await watch(ann);
    const [one, two] = [await order(ann.userId, 1), await order(ann.userId, 2)];
    await told(first, 2);
    await first.close();
    const three = await order(ann.userId, 3);
    const second = await watch(ann, first.lastEventId());
    const four = await order(ann.userId, 4);
    await told(second, 2);
    const third = await watch(ann, first.messages[0]?.id);
    await told(third, 3);
    expect(idsOf(first)).toEqual([`${one}.placed`, `${two}.placed`]);
    expect(idsOf(second)).toEqual([`${three}.placed`, `${four}.placed`]);
    expect(idsOf(third)).toEqual([`${two}.placed`, `${three}.placed`, `${four}.placed`]);
  });

  test('also if nothing was told before, and after hours', async () => {
    const ann = await customer({ balance: null });
    const first = await watch(ann);
    await until(() => first.lastEventId() !== '');
    await first.close();
    const missed = await order(ann.userId, 1);
    const second = await watch(ann, first.lastEventId());
    await told(second, 1);
    expect(idsOf(second)).toEqual([`${missed}.placed`]);
    const hours = cursorOf(ann, -5);
    const past = await order(ann.userId, 2);
    await rows(`update ordering.orders set created_at = created_at - interval '4 hours' where id = $1`, [past]);
    const third = await watch(ann, hours);
    await told(third, 2);
    expect(idsOf(third)).toEqual([`${past}.placed`, `${missed}.placed`]);
    const fourth = await watch(ann, third.messages[0]?.id);
    await told(fourth, 1);
    expect(idsOf(fourth)).toEqual([`${missed}.placed`]);
  });

  const ann = { userId: uuidv7() };
  // promise: stream-resumption
  test.each([
    ...['x', '1', '00000000.', `${Date.now().toString(36)}.`, `${Date.now().toString(36)}.abc`],
    ...[cursorOf(ann, -25), cursorOf(ann, 1), cursorOf({ userId: uuidv7() }, -1), cursorOf(ann, -1).slice(0, -1)],
    cursorOf(ann, -1).replace(/^./, '0'),
  ])('an id that was not written for this customer, or is too old, is 400: %s', async (id) => {
    const answer = await fetch(`${url}/v1/events`, {
      headers: { ...(await bearer(ann.userId)), 'last-event-id': id },
    });
    expect({ status: answer.status, body: await answer.json() }).toMatchObject({
      status: 400,
      body: { code: 'bad_cursor' },
    });
  });
});

describe('a customer with 300,000 orders', () => {
  const rich = { userId: uuidv7() };
  beforeAll(async () => {
    await rows(
      `insert into ordering.orders (id, user_id, idempotency_key, request_hash, total, currency, status, paid_at, created_at)
       select gen_random_uuid(), $1, number, '', 1, 'usd', 'paid', at, at
         from (select number, now() - number * interval '80 ms' as at from generate_series(1, 300000) as number) as made`,
      [rich.userId],
    );
  }, 60_000);

  // promise: stream-resumption
  test('who takes up a stream of hours ago is asked to read the lists again, and others do not notice', async () => {
    const bob = await customer();
    const headers = await bearer(bob.userId);
    const slowest = { ms: 0 };
    const before = process.memoryUsage().heapUsed;
    const [streams] = await Promise.all([
      Promise.all([-1, -3, -5, -6, -6.5].map((hours) => watch(rich, cursorOf(rich, hours)))),
      (async () => {
        for (let turn = 0; turn < 20; turn += 1) {
          const began = performance.now();
          expect((await fetch(`${url}/v1/accounts/me`, { headers })).status).toBe(200);
          slowest.ms = Math.max(slowest.ms, performance.now() - began);
        }
      })(),
    ]);
    for (const stream of streams) {
      await told(stream, 1);
      expect(stream.messages).toMatchObject([{ event: 'reset', data: { reason: expect.any(String) } }]);
    }
    expect(slowest.ms).toBeLessThan(500);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(60_000_000);
    const next = await order(rich.userId, 1);
    const [first] = streams as [StreamReader];
    await told(first, 2);
    expect(idsOf(first).at(-1)).toBe(`${next}.placed`);
  });

  // promise: stream-resumption
  test('no query of the stream reads more rows than it may', async () => {
    const read = async () =>
      (
        await row<{ fetched: number }>(
          `select pg_stat_force_next_flush(), sum(idx_tup_fetch + seq_tup_read)::bigint as fetched
             from pg_stat_user_tables where relname in ('orders', 'notifications')`,
        )
      ).fetched;
    const stream = await watch(rich);
    await until(() => stream.lastEventId() !== '');
    await pause(1_100); // statistics are flushed once a second
    const before = await read();
    await pause(1_100);
    // twenty polls, each of the newest 200 of two hours and the last seconds
    expect((await read()) - before).toBeLessThan(25 * 1_000);
  });
});

describe('commits do not come in the order of their times', () => {
  test('a fact that is older than what was told before is told when it is committed', async () => {
    const { userId } = await customer();
    const stream = await watch({ userId });
    const [early, late] = [uuidv7(), uuidv7()];
    const insert = `insert into ordering.orders (id, user_id, idempotency_key, request_hash, total, currency)
                    values ($1, $2, gen_random_uuid(), '', 1, 'usd')`;
    const other = await connection();
    await other.query('begin');
    await other.query(insert, [early, userId]);
    await rows(insert, [late, userId]);
    await told(stream, 1);
    await other.query('commit');
    await told(stream, 2);
    expect(idsOf(stream)).toEqual([`${late}.placed`, `${early}.placed`]);
  });

  test('of 2,000 facts none is missing and none is told twice', async () => {
    const { userId } = await customer();
    const stream = await watch({ userId });
    const again = await watch({ userId });
    // four writers, each with its own times of up to 8 seconds ago, in any order
    const writers = await Promise.all([1, 2, 3, 4].map(() => connection()));
    const writing = writers.map(async (writer) => {
      for (let turn = 0; turn < 25; turn += 1) {
        await writer.query(
          `insert into ordering.orders (id, user_id, idempotency_key, request_hash, total, currency, created_at)
           select gen_random_uuid(), $1, gen_random_uuid(), '', 1, 'usd',
                  clock_timestamp() - random() * interval '8 seconds'
             from generate_series(1, 20)`,
          [userId],
        );
      }
    });
    await Promise.all(writing);
    await told(stream, 2_000);
    await told(again, 2_000);
    await pause(300); // what would be told twice
    const { ids } = await row<{ ids: string[] }>(
      `select array_agg(id || '.placed' order by id) as ids from ordering.orders where user_id = $1`,
      [userId],
    );
    for (const each of [stream, again]) expect(idsOf(each).toSorted()).toEqual(ids);
  });

  test('taken up again after more than an id can hold, it may repeat but misses nothing', async () => {
    const { userId } = await customer();
    const first = await watch({ userId });
    for (let count = 0; count < 60; count += 1) await order(userId, 1);
    await told(first, 60);
    await first.close();
    const missed = await order(userId, 1);
    const second = await watch({ userId }, first.lastEventId());
    await until(() => idsOf(second).includes(`${missed}.placed`));
    expect(idsOf(second).filter((id) => id.endsWith('.placed')).length).toBeLessThanOrEqual(11);
  });
});

describe('a stream ends', () => {
  test('when the token expires', async () => {
    const { userId } = await customer();
    const { kid, ...key } = JSON.parse(process.env['TOKEN_PRIVATE_KEY'] ?? '') as { kid: string };
    const token = await new SignJWT({ role: 'customer' })
      .setProtectedHeader({ alg: 'EdDSA', kid })
      .setIssuer('shop')
      .setAudience('shop')
      .setSubject(userId)
      .setJti(uuidv7())
      .setExpirationTime('2s')
      .sign(await importJWK(key, 'EdDSA'));
    const stream = await readStream(`${url}/v1/events`, { authorization: `Bearer ${token}` });
    expect(stream.status).toBe(200);
    await stream.ended;
    const again = await fetch(`${url}/v1/events`, { headers: { authorization: `Bearer ${token}` } });
    expect(again.status).toBe(401);
  });

  test('when the shop closes, which does not wait for it', async () => {
    const stream = await watch(await customer());
    await shop.stop();
    await stream.ended;
    await serve();
  });
});

test('nobody watches without a token, and only by GET', async () => {
  expect((await fetch(`${url}/v1/events`)).status).toBe(401);
  const headers = await bearer(uuidv7());
  for (const method of ['HEAD', 'POST', 'DELETE']) {
    const answer = await fetch(`${url}/v1/events`, { method, headers });
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET']);
  }
});

// promise: owasp-api4
test('a customer has five streams at most, the shop as many as it is set to, and a closed one makes room', async () => {
  const [ann, bob] = [await customer(), await customer()];
  const streams = [];
  for (let count = 0; count < 5; count += 1) streams.push(await watch(ann));
  const sixth = await watch(ann);
  expect([sixth.status, sixth.headers.get('retry-after')]).toEqual([429, '5']);
  for (let count = 0; count < 3; count += 1) expect((await watch(bob)).status).toBe(200);
  const ninth = await watch(bob);
  expect([ninth.status, ninth.headers.get('retry-after')]).toEqual([503, '5']);
  await streams[0]?.close();
  await until(async () => {
    const next = await watch(ann);
    return next.status === 200;
  });
});

// promise: stream-resumption
test('the customers of one address have a part of all streams', async () => {
  const before = url;
  process.env['STREAM_LIMIT_PER_ADDRESS'] = '3';
  const other = await serveHttp(createStorefront(context), { port: 0, host: '127.0.0.1' });
  url = `http://127.0.0.1:${(other.server.address() as AddressInfo).port}`;
  for (let count = 0; count < 3; count += 1) expect((await watch(await customer())).status).toBe(200);
  expect((await watch(await customer())).status).toBe(429);
  await Promise.all(open.splice(0).map((stream) => stream.close()));
  await other.stop();
  process.env['STREAM_LIMIT_PER_ADDRESS'] = limits.STREAM_LIMIT_PER_ADDRESS;
  url = before;
});

test('rows are looked at only while somebody watches', async () => {
  const looked = async () =>
    (
      await row<{ at: Date | null }>(
        `select max(query_start) as at
           from pg_stat_activity
          where datname = current_database()
            and query like '%clock_timestamp() as now%'
            and pid <> pg_backend_pid()`,
      )
    ).at?.getTime() ?? 0;
  const stream = await watch(await customer());
  const first = await looked();
  await until(async () => (await looked()) > first);
  await stream.close();
  await until(() => inFlight === 0);
  await pause(300); // a look may be under way
  const last = await looked();
  await pause(500);
  expect(await looked()).toBe(last);
});
