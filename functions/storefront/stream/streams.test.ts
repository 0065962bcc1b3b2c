import { beforeAll, describe, expect, test } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { importJWK, SignJWT } from 'jose';
import { uuidv7 } from 'uuidv7';
import { bearer } from '#test/support/calls.ts';
import { row, rows, useDatabase } from '#test/support/database.ts';
import { readStream, type StreamReader } from '#test/support/event-stream.ts';
import { customer, order } from '#test/support/fixtures.ts';
import { cursorOf, idsOf, received, useStreams } from '#test/support/storefront.ts';
import { until } from '#test/support/until.ts';

useDatabase();
const { url, watch, idle, stopped, withSettings } = useStreams();

test('streams to callers with a token only, and by GET only', async () => {
  expect((await fetch(`${url()}/v1/events`)).status).toBe(401);
  const headers = await bearer(uuidv7());
  for (const method of ['HEAD', 'POST', 'DELETE']) {
    const response = await fetch(`${url()}/v1/events`, { method, headers });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET']);
  }
});

// promise: owasp-api4
test('refuses a sixth stream of a customer and a ninth of the shop until one is closed', async () => {
  const [ann, bob] = [await customer(), await customer()];
  const streams = [];
  for (let count = 0; count < 5; count += 1) streams.push(await watch(ann));
  const sixth = await watch(ann);
  expect([sixth.status, sixth.headers.get('retry-after')]).toEqual([429, '5']);
  for (let count = 0; count < 3; count += 1) expect((await watch(bob)).status).toBe(200);
  const ninth = await watch(bob);
  expect([ninth.status, ninth.headers.get('retry-after')]).toEqual([503, '5']);
  await streams[0]?.close();
  await until('another stream of the customer', async () => (await watch(ann)).status === 200, 20_000);
});

// promise: stream-resumption
test('limits the streams of one address', async () => {
  await withSettings({ STREAM_LIMIT_PER_ADDRESS: '3' }, async () => {
    for (let count = 0; count < 3; count += 1) expect((await watch(await customer())).status).toBe(200);
    expect((await watch(await customer())).status).toBe(429);
  });
});

test('polls the database only while a stream is open', async () => {
  const polledAt = async () =>
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
  const first = await polledAt();
  await until('the next poll', async () => (await polledAt()) > first, 20_000);
  await stream.close();
  await idle();
  await pause(300); // a poll may be in flight
  const last = await polledAt();
  await pause(500);
  expect(await polledAt()).toBe(last);
});

describe('ends a stream', () => {
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
    const stream = await readStream(`${url()}/v1/events`, { authorization: `Bearer ${token}` });
    expect(stream.status).toBe(200);
    await stream.ended;
    const again = await fetch(`${url()}/v1/events`, { headers: { authorization: `Bearer ${token}` } });
    expect(again.status).toBe(401);
  });

  test('when the storefront stops, which does not wait for it', async () => {
    const stream = await watch(await customer());
    await stopped(() => stream.ended);
  });
});

describe('for a customer with 300,000 orders', () => {
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
  test('sends a reset when a stream of hours ago is resumed, without delaying others', async () => {
    const bob = await customer();
    const headers = await bearer(bob.userId);
    const slowest = { ms: 0 };
    const before = process.memoryUsage().heapUsed;
    const [streams] = await Promise.all([
      Promise.all([-1, -3, -5, -6, -6.5].map((hours) => watch(rich, cursorOf(rich, hours)))),
      (async () => {
        for (let turn = 0; turn < 20; turn += 1) {
          const began = performance.now();
          expect((await fetch(`${url()}/v1/accounts/me`, { headers })).status).toBe(200);
          slowest.ms = Math.max(slowest.ms, performance.now() - began);
        }
      })(),
    ]);
    for (const stream of streams) {
      await received(stream, 1);
      expect(stream.messages).toMatchObject([{ event: 'reset', data: { reason: expect.any(String) } }]);
    }
    expect(slowest.ms).toBeLessThan(500);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(60_000_000);
    const next = await order(rich.userId, 1);
    const [first] = streams as [StreamReader];
    await received(first, 2);
    expect(idsOf(first).at(-1)).toBe(`${next}.placed`);
  });

  // promise: stream-resumption
  test('reads a bounded number of rows with each poll', async () => {
    const read = async () =>
      (
        await row<{ fetched: number }>(
          `select pg_stat_force_next_flush(), sum(idx_tup_fetch + seq_tup_read)::bigint as fetched
             from pg_stat_user_tables where relname in ('orders', 'notifications')`,
        )
      ).fetched;
    const stream = await watch(rich);
    await until('the stream has begun', () => stream.lastEventId() !== '', 20_000);
    await pause(1_100); // statistics are flushed once a second
    const before = await read();
    await pause(1_100);
    // twenty polls, each of the newest 200 of two hours and the last seconds
    expect((await read()) - before).toBeLessThan(25 * 1_000);
  });
});
