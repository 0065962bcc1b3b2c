import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { AddressInfo } from 'node:net';
import { SignJWT, UnsecuredJWT, generateKeyPair } from 'jose';
import { uuidv7 } from 'uuidv7';
import { bearer } from '#test/support/calls.ts';
import { row, rows, useDatabase } from '#test/support/database.ts';
import { customer, order } from '#test/support/fixtures.ts';
import type { FunctionRequest } from '#platform/http/function-client.ts';
import { serveHttp, type HttpServer } from '#platform/http/http-server.ts';
import { context, useFunctions } from '#test/support/context.ts';
import { Problem } from '#platform/http/problem.ts';
import { createStorefront } from './index.ts';

useDatabase();

let shop: HttpServer;
let url: string;
beforeAll(async () => {
  shop = await serveHttp(createStorefront(context), { port: 0, host: '127.0.0.1' });
  url = `http://127.0.0.1:${(shop.server.address() as AddressInfo).port}`;
});
afterAll(() => shop.stop());

// the functions behind the storefront: what they were called with, and what they answer
const called: { name: string; request: FunctionRequest }[] = [];
let statusOfFunction = 201;
beforeEach(() => {
  called.length = 0;
  statusOfFunction = 201;
  useFunctions(async (name, request) => {
    called.push({ name, request });
    if (statusOfFunction === 503) throw new Problem('unavailable', 'not now', { retryAfterSeconds: 1 });
    return { statusCode: statusOfFunction, headers: { 'content-type': 'application/json' }, body: { from: name } };
  });
});

interface Options {
  as?: string;
  role?: 'customer' | 'admin';
  method?: string;
  body?: unknown;
  headers?: Record<string, string>;
}

interface Body {
  code: string;
  data: Record<string, unknown>[];
  nextCursor: string | null;
  [name: string]: unknown;
}

async function ask(path: string, { as, role = 'customer', method, body, headers = {} }: Options = {}) {
  const response = await fetch(url + path, {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    headers: {
      ...(as && (await bearer(as, role))),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: (text ? JSON.parse(text) : {}) as Body };
}

describe('who calls', () => {
  const { crv, d, kty, x } = JSON.parse(process.env['TOKEN_PRIVATE_KEY'] ?? '') as Record<string, string>;
  const claims = { role: 'admin' };
  const good = (jwt: SignJWT) => jwt.setIssuer('shop').setAudience('shop').setSubject(uuidv7()).setJti('1');
  const key = () => crypto.subtle.importKey('jwk', { crv, d, kty, x } as JsonWebKey, 'Ed25519', false, ['sign']);
  const tokens: [string, () => Promise<string> | string][] = [
    ['no token', () => ''],
    ['not a token', () => 'Bearer abc'],
    ['a tampered one', async () => `${(await bearer(uuidv7())).authorization.slice(0, -3)}abc`],
    [
      'one with alg none',
      () => `Bearer ${new UnsecuredJWT(claims).setIssuer('shop').setAudience('shop').setSubject(uuidv7()).encode()}x`,
    ],
    [
      'an expired one',
      async () =>
        `Bearer ${await good(new SignJWT(claims))
          .setProtectedHeader({ alg: 'EdDSA', kid: 'test' })
          .setExpirationTime('-1s')
          .sign(await key())}`,
    ],
    [
      'one of another key',
      async () =>
        `Bearer ${await good(new SignJWT(claims))
          .setProtectedHeader({ alg: 'EdDSA', kid: 'test' })
          .setExpirationTime('1h')
          .sign((await generateKeyPair('EdDSA')).privateKey)}`,
    ],
    [
      'one for another audience',
      async () =>
        `Bearer ${await good(new SignJWT(claims))
          .setAudience('bank')
          .setProtectedHeader({ alg: 'EdDSA', kid: 'test' })
          .setExpirationTime('1h')
          .sign(await key())}`,
    ],
  ];
  // promise: tokens
  test.each(tokens)('%s is 401, everywhere', async (_what, authorization) => {
    for (const path of ['/v1/users/me', '/v1/orders', `/v1/orders/${uuidv7()}`, '/v1/admin/dead-letters']) {
      const { status, body, headers } = await ask(path, { headers: { authorization: await authorization() } });
      expect({ status, code: body.code }).toEqual({ status: 401, code: 'unauthenticated' });
      expect(headers.get('www-authenticate')).toBe('Bearer');
    }
  });

  test('a token is read however its scheme and the spaces behind it are written (RFC 9110, section 11.4)', async () => {
    const { userId } = await customer();
    const token = (await bearer(userId)).authorization.slice('Bearer '.length);
    for (const before of ['Bearer ', 'bearer ', 'BEARER ', 'Bearer   ']) {
      expect((await ask('/v1/orders', { headers: { authorization: before + token } })).status).toBe(200);
    }
    for (const before of ['Bearer', 'Bearer\t', 'Token ']) {
      expect((await ask('/v1/orders', { headers: { authorization: before + token } })).status).toBe(401);
    }
  });

  // promise: tokens, owasp-api5
  test('a customer is 403 on the routes of the administrator, who is not', async () => {
    const { userId } = await customer();
    for (const path of ['/v1/admin/dead-letters', '/v1/admin/ledger/verify']) {
      expect(await ask(path, { as: userId })).toMatchObject({ status: 403, body: { code: 'forbidden' } });
      expect((await ask(path, { as: userId, role: 'admin' })).status).toBe(200);
    }
  });
});

describe('somebody else’s objects', () => {
  // promise: foreign-object, owasp-api1
  test('are not found, with the same answer as objects that are not there', async () => {
    const [ann, bob] = await Promise.all([customer({ balance: 10 }), customer({ balance: 10 })]);
    const orderId = await order(ann.userId, 5);
    const unknown = await ask(`/v1/orders/${uuidv7()}`, { as: bob.userId });
    for (const path of [`/v1/orders/${orderId}`, `/v1/orders/not-an-id`]) {
      expect(await ask(path, { as: bob.userId })).toMatchObject({ status: 404, body: unknown.body });
    }
    expect((await ask(`/v1/orders/${orderId}/timeline`, { as: bob.userId })).body).toEqual(unknown.body);
    expect((await ask('/v1/orders', { as: bob.userId })).body.data).toEqual([]);
    expect((await ask(`/v1/notifications?orderId=${orderId}`, { as: bob.userId })).body.data).toEqual([]);
    expect((await ask(`/v1/orders/${orderId}`, { as: ann.userId })).body).toMatchObject({ id: orderId, total: 5 });
  });
});

describe('pages', () => {
  test('are stable while rows are added, and end', async () => {
    const { userId } = await customer();
    const ids: string[] = [];
    for (let index = 0; index < 7; index += 1) ids.unshift(await order(userId, index + 1));
    const seen: unknown[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const { body } = await ask(`/v1/orders?limit=3${cursor && `&cursor=${cursor}`}`, { as: userId });
      seen.push(...body.data.map(({ id }) => id));
      cursor = body.nextCursor;
      await order(userId, 99);
    }
    expect(seen).toEqual(ids);
  });

  // promise: list-cost
  test('end early where orders have many lines, and go on after them', async () => {
    const { userId } = await customer();
    const ids: string[] = [];
    for (let index = 0; index < 5; index += 1) {
      const id = await order(userId, 1);
      ids.unshift(id);
      await rows(
        `insert into ordering.order_lines (order_id, line, sku, name, quantity, unit_price)
         select $1, line, 'sticker', 'Sticker', 1, 0 from generate_series(2, 100) as line`,
        [id],
      );
    }
    const pages: string[][] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const { body } = await ask(`/v1/orders?limit=100${cursor && `&cursor=${cursor}`}`, { as: userId });
      pages.push(body.data.map(({ id }) => String(id)));
      cursor = body.nextCursor;
    }
    expect(pages).toEqual([ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)]);
  });

  // promise: list-cost
  test('of a status read 1,000 orders at most, and find one among thousands', async () => {
    const { userId } = await customer();
    const pending = await order(userId, 1);
    await rows(`update ordering.orders set created_at = now() - interval '1 day' where id = $1`, [pending]);
    await rows(
      `insert into ordering.orders
              (id, user_id, idempotency_key, request_hash, total, currency, status, paid_at, line_count, created_at)
       select gen_random_uuid(), $1, 'n' || number, '', 1, 'usd', 'paid', now(), 1, now() - number * interval '1 second'
         from generate_series(1, 2500) as number`,
      [userId],
    );
    const pages: unknown[][] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const { body } = await ask(`/v1/orders?status=pending${cursor && `&cursor=${cursor}`}`, { as: userId });
      pages.push(body.data.map(({ id }) => id));
      cursor = body.nextCursor;
    }
    expect(pages).toEqual([[], [], [pending]]);
  });

  // promise: list-cost
  test('of one customer or list are not those of another', async () => {
    const [ann, bob] = [await customer(), await customer()];
    for (const { userId } of [ann, ann, bob, bob]) await order(userId, 1);
    const { body } = await ask('/v1/orders?limit=1', { as: ann.userId });
    const cursor = body.nextCursor ?? '';
    const statusOf = async (path: string, as: string) => (await ask(`${path}?cursor=${cursor}`, { as })).status;
    expect(await statusOf('/v1/orders', ann.userId)).toBe(200);
    expect(await statusOf('/v1/orders', bob.userId)).toBe(400);
    expect(await statusOf('/v1/notifications', ann.userId)).toBe(400);
  });

  test('entries come newest version first, and orders by status', async () => {
    const { userId } = await customer({ balance: 10 });
    expect((await ask('/v1/accounts/me/entries', { as: userId })).body.data).toMatchObject([
      { kind: 'deposit', amount: 10, balance: 10, version: 1, orderId: null },
    ]);
    await order(userId, 1);
    expect((await ask('/v1/orders?status=paid', { as: userId })).body.data).toEqual([]);
    expect((await ask('/v1/orders?status=pending', { as: userId })).body.data).toHaveLength(1);
  });

  test.each([
    ['/v1/orders?cursor=abc', 'bad_cursor'],
    [`/v1/orders?cursor=${Buffer.from('1').toString('base64url')}`, 'bad_cursor'],
    ['/v1/products?limit=0', 'malformed_request'],
    ['/v1/products?limit=1000', 'malformed_request'],
    ['/v1/orders?status=lost', 'malformed_request'],
  ])('%s is 400', async (path, code) => {
    expect(await ask(path, { as: uuidv7() })).toMatchObject({ status: 400, body: { code } });
  });

  test('the catalogue is open to everybody', async () => {
    const { body } = await ask('/v1/products');
    expect(body.data).toEqual(
      expect.arrayContaining([
        { sku: 'desk', name: 'Desk', price: 80_000, currency: 'usd' },
        { sku: 'sticker', name: 'Sticker', price: 1, currency: 'usd' },
      ]),
    );
  });
});

describe('commands', () => {
  test('are handed to their function with what it needs, and its answer is passed on', async () => {
    const body = { items: [] };
    const headers = {
      'idempotency-key': 'k',
      traceparent: `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`,
      'x-other': 'y',
      'x-priority': 'low', // which the storefront alone may say
    };
    const answer = await ask('/v1/orders', { as: uuidv7(), body, headers });
    expect(answer).toMatchObject({ status: 201, body: { from: 'create-order' } });
    expect(called).toMatchObject([{ name: 'create-order', request: { body } }]);
    expect(Object.keys(called[0]?.request.headers ?? {}).toSorted()).toEqual([
      'authorization',
      'idempotency-key',
      'traceparent',
      'x-request-id',
    ]);
  });

  test('a cancel is handed over with the order of its path, whatever the body', async () => {
    const orderId = uuidv7();
    for (const body of [undefined, {}, { orderId: uuidv7() }]) {
      await ask(`/v1/orders/${orderId}/cancel`, { as: uuidv7(), method: 'POST', body });
    }
    const handed = { name: 'cancel-order', request: { body: { orderId } } };
    expect(called).toMatchObject([handed, handed, handed]);
  });

  test('a cancel of what is not an id finds no order, and reaches no function', async () => {
    const answer = await ask('/v1/orders/desk/cancel', { as: uuidv7(), method: 'POST' });
    expect(answer).toMatchObject({ status: 404, body: { code: 'not_found', detail: 'There is no such order.' } });
    expect(await ask(`/v1/orders/${uuidv7()}/cancel`, { method: 'POST' })).toMatchObject({ status: 401 });
    expect(called).toEqual([]);
  });

  test('a function that does not answer is 503 with Retry-After', async () => {
    statusOfFunction = 503;
    const answer = await ask('/v1/orders', { as: uuidv7(), body: {} });
    expect(answer).toMatchObject({ status: 503, body: { code: 'unavailable' } });
    expect(answer.headers.get('retry-after')).toBe('1');
  });

  // promise: http-headers
  test.each([
    'application/json;charset=utf-8',
    'application/json; charset=utf8',
    'application/json; charset=UTF8',
    'application/json; charset="utf-8"',
    'application/json; charset=us-ascii',
    'Application/JSON ; Charset=Utf-8',
    'application/json;',
    'application/json; charset=',
    'application/json;odata=verbose;IEEE754Compatible=true',
  ])('a body is read as JSON in UTF-8 when it is said to be %s', async (type) => {
    const answer = await ask('/v1/users', { body: { name: 'Zoë' }, headers: { 'content-type': type } });
    expect(answer.status).toBe(201);
    expect(called).toMatchObject([{ name: 'register-user', request: { body: { name: 'Zoë' } } }]);
  });

  test.each([
    ['a body that is not JSON', 400, { body: '{"a":' }],
    ['an empty body', 415, { method: 'POST' }],
    ['another content type', 415, { body: 'a=1', headers: { 'content-type': 'application/x-www-form-urlencoded' } }],
    ['another charset', 415, { body: '{}', headers: { 'content-type': 'application/json; charset=latin1' } }],
    [
      'another charset of Unicode',
      415,
      { body: '{}', headers: { 'content-type': 'application/json; charset=utf-16' } },
    ],
    ['what is no content type', 415, { body: '{}', headers: { 'content-type': 'application/json x' } }],
    ['a body above 64 KiB', 413, { body: JSON.stringify('x'.repeat(70_000)) }],
  ] as [string, number, Options][])('%s is %i and reaches no function', async (_what, status, options) => {
    const answer = await ask('/v1/users', options);
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(called).toEqual([]);
  });

  // promise: http-errors, owasp-api9
  test('an unknown route is 404, another method 405 with what is allowed', async () => {
    expect(await ask('/v1/nothing', { as: uuidv7() })).toMatchObject({ status: 404, body: { code: 'not_found' } });
    expect(await ask('/nothing')).toMatchObject({ status: 404, body: { code: 'not_found' } });
    for (const [path, allow] of [
      ['/v1/orders', 'GET, POST'],
      ['/v1/users', 'POST'],
      [`/v1/orders/${uuidv7()}/cancel`, 'POST'],
      ['/v1/users/me', 'GET'],
      ['/v1/sessions', 'POST'],
      ['/v1/products', 'GET'],
      [`/v1/orders/${uuidv7()}`, 'GET'],
      ['/healthz', 'GET'],
    ] as const) {
      const answer = await ask(path, { as: uuidv7(), method: 'DELETE' });
      expect({ status: answer.status, allow: answer.headers.get('allow') }).toEqual({ status: 405, allow });
    }
  });
});

// promise: owasp-api8
test('an answer tells browsers and caches to keep it to the caller, and allows no other origin', async () => {
  const { headers } = await ask('/v1/orders', { as: uuidv7(), headers: { origin: 'https://evil.example' } });
  expect(Object.fromEntries(headers)).toMatchObject({
    'cache-control': 'no-store',
    'content-security-policy': expect.stringContaining("default-src 'self'"),
    'strict-transport-security': expect.stringContaining('max-age='),
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'SAMEORIGIN',
    'referrer-policy': 'no-referrer',
  });
  for (const name of ['access-control-allow-origin', 'x-powered-by', 'server']) expect(headers.get(name)).toBeNull();
});

describe('limits', () => {
  test('failed log-ins are limited for one e-mail, and leave other e-mails alone', async () => {
    statusOfFunction = 401;
    const logIn = (email: string) => ask('/v1/sessions', { body: { email, password: 'x' } });
    for (let index = 0; index < 10; index += 1) expect((await logIn('ann@example.com')).status).toBe(401);
    const limited = await logIn('ANN@example.com');
    expect(limited).toMatchObject({ status: 429, body: { code: 'too_many_requests' } });
    expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await logIn('bob@example.com')).status).toBe(401);
  });

  test('200 requests of one customer at once pass; each counts for this customer alone', async () => {
    const [ann, bob] = [uuidv7(), uuidv7()];
    const answers = await Promise.all(Array.from({ length: 200 }, () => ask('/v1/orders', { as: ann })));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    const left = (answer: { headers: Headers }) => Number(/r=(\d+)/.exec(answer.headers.get('ratelimit') ?? '')?.[1]);
    expect(Math.min(...answers.map(left))).toBeLessThan(499);
    const first = await ask('/v1/orders', { as: bob });
    expect(first.headers.get('ratelimit-policy')).toContain('q=500; w=1');
    expect(left(first)).toBe(499);
  });
});

describe('what the operator asks', () => {
  // promise: health
  test('the process is alive, and the report says what is down', async () => {
    expect(await ask('/healthz')).toMatchObject({ status: 200, body: { status: 'ok' } });
    // no broker runs beside this test
    expect(await ask('/readyz')).toMatchObject({
      status: 503,
      body: { status: 'degraded', database: 'up', broker: 'down' },
    });
  });

  test('dead letters tell what, why and how often', async () => {
    await rows(
      `insert into events.dead_letters (id, verified, source, event_id, type, reason, detail, event)
       values ($1, false, '/x', 'x', 'x', 'unverified', 'why', '{}')`,
      [uuidv7()],
    );
    const { body } = await ask('/v1/admin/dead-letters', { as: uuidv7(), role: 'admin' });
    expect(body.data).toMatchObject([{ status: 'parked', verified: false, detail: 'why', times: 1, replayedAt: null }]);
  });
});

test('a timeline tells the story of an order in order, with one correlation id', async () => {
  const { userId, accountId, email } = await customer({ balance: 10 });
  const orderId = await order(userId, 5);
  await rows(
    `insert into billing.charges (order_id, user_id, account_id, amount, currency, outcome)
     values ($1, $2, $3, 5, 'usd', 'succeeded')`,
    [orderId, userId, accountId],
  );
  await rows(`update ordering.orders set status = 'paid', paid_at = clock_timestamp() where id = $1`, [orderId]);
  await rows(
    `insert into notifying.notifications
            (id, event_id, user_id, order_id, template, recipient, subject, detail, correlation_id, status, due_at, sent_at)
     values ($1, $2, $3, $4, 'order-paid', $5, '', '{}', $6, 'sent', null, clock_timestamp() + interval '1 ms')`,
    [uuidv7(), `${orderId}.paid`, userId, orderId, email, `${orderId}.placed`],
  );
  const { body } = await ask(`/v1/orders/${orderId}/timeline`, { as: userId });
  expect(body.data.map(({ type, function: by }) => [type, by])).toEqual([
    ['shop.order.placed.v1', 'create-order'],
    ['shop.charge.succeeded.v1', 'charge-account'],
    ['shop.order.paid.v1', 'settle-order'],
    ['notification.queued', 'send-notification'],
    ['notification.sent', 'send-notification'],
  ]);
  expect(new Set(body.data.map(({ correlationId }) => correlationId))).toEqual(new Set([`${orderId}.placed`]));
  expect(await row('select count(*) as orders from ordering.orders where user_id = $1', [userId])).toEqual({
    orders: 1,
  });
});

describe('a canceled order', () => {
  const place = async (changes: string) => {
    const { userId, accountId } = await customer({ balance: 10 });
    const orderId = await order(userId, 5);
    await rows(
      `update ordering.orders
          set created_at = '2026-01-01T10:00Z', cancel_requested_at = '2026-01-01T10:02Z', ${changes}
        where id = $1`,
      [orderId],
    );
    const decide = (outcome: string, reason: string | null, at: string) =>
      rows(
        `insert into billing.charges (order_id, user_id, account_id, amount, currency, outcome, reason, decided_at)
         values ($1, $2, $3, 5, 'usd', $4, $5, $6)`,
        [orderId, userId, accountId, outcome, reason, at],
      );
    const read = async () => (await ask(`/v1/orders/${orderId}`, { as: userId })).body;
    const story = async () => {
      const { data } = (await ask(`/v1/orders/${orderId}/timeline`, { as: userId })).body;
      return data.map(({ type, function: by, correlationId }) => [type, by, String(correlationId).split('.')[1]]);
    };
    return { orderId, accountId, decide, read, story };
  };
  const beginning = ['shop.order.placed.v1', 'create-order', 'placed'];
  const requested = ['shop.order.cancel_requested.v1', 'cancel-order', 'cancel_requested'];

  test('is not settled while it is under way, although it was paid', async () => {
    const { read } = await place(`status = 'canceling', paid_at = '2026-01-01T10:01Z'`);
    expect(await read()).toMatchObject({ status: 'canceling', settledAt: null });
  });

  test('that was paid tells both chains, is settled by the refund, and the refund is an entry', async () => {
    const { orderId, accountId, decide, read, story } = await place(
      `status = 'refunded', paid_at = '2026-01-01T10:01Z', refunded_at = '2026-01-01T10:04Z'`,
    );
    await decide('succeeded', null, '2026-01-01T10:00:30Z');
    await rows(
      `insert into billing.transfers (id, kind, debit_account_id, credit_account_id, amount, currency, order_id,
                                      account_version, balance_after, created_at)
       values ($1, 'refund', '00000000-0000-0000-0000-000000000002', $2, 5, 'usd', $3, 2, 10, '2026-01-01T10:03Z')`,
      [uuidv7(), accountId, orderId],
    );
    expect(await read()).toMatchObject({ status: 'refunded', settledAt: '2026-01-01T10:04:00.000Z' });
    expect(await story()).toEqual([
      beginning,
      ['shop.charge.succeeded.v1', 'charge-account', 'placed'],
      ['shop.order.paid.v1', 'settle-order', 'placed'],
      requested,
      ['shop.charge.refunded.v1', 'refund-charge', 'cancel_requested'],
      ['shop.order.refunded.v1', 'settle-order', 'cancel_requested'],
    ]);
    const { userId } = await row<{ userId: string }>('select user_id as "userId" from ordering.orders where id = $1', [
      orderId,
    ]);
    expect((await ask('/v1/accounts/me/entries', { as: userId })).body.data).toMatchObject([
      { kind: 'refund', amount: 5, balance: 10, version: 2, orderId },
      { kind: 'deposit' },
    ]);
  });

  test.each([
    ['void at once', 'order_canceled', '2026-01-01T10:03Z', []],
    [
      'void although it had been declined',
      'insufficient_funds',
      '2026-01-01T10:01Z',
      [['shop.charge.declined.v1', 'charge-account', 'placed']],
    ],
  ])('that was not charged is %s', async (_how, reason, at, before) => {
    const { decide, read, story } = await place(`status = 'canceled', canceled_at = '2026-01-01T10:04Z'`);
    await decide('declined', reason, at);
    expect(await read()).toMatchObject({ status: 'canceled', settledAt: '2026-01-01T10:04:00.000Z' });
    expect(await story()).toEqual([
      beginning,
      ...before,
      requested,
      ['shop.charge.voided.v1', 'refund-charge', 'cancel_requested'],
      ['shop.order.canceled.v1', 'settle-order', 'cancel_requested'],
    ]);
  });
});
