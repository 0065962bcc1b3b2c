import { describe, expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { useDatabase } from '#test/support/database.ts';
import { useStorefront } from '#test/support/storefront.ts';

useDatabase();
const { ask, called, functions } = useStorefront();

describe('a command', () => {
  test('is forwarded to its function with the headers that it needs, and its response is returned', async () => {
    const body = { items: [] };
    const headers = {
      'idempotency-key': 'k',
      traceparent: `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`,
      'x-other': 'y',
      'x-priority': 'low', // only the storefront may set it
    };
    const response = await ask('/v1/orders', { as: uuidv7(), body, headers });
    expect(response).toMatchObject({ status: 201, body: { from: 'create-order' } });
    expect(called).toMatchObject([{ name: 'create-order', request: { body } }]);
    expect(Object.keys(called[0]?.request.headers ?? {}).toSorted()).toEqual([
      'authorization',
      'idempotency-key',
      'traceparent',
      'x-request-id',
    ]);
  });

  test('to cancel is forwarded with the order in its path, whatever the body', async () => {
    const orderId = uuidv7();
    for (const body of [undefined, {}, { orderId: uuidv7() }]) {
      await ask(`/v1/orders/${orderId}/cancel`, { as: uuidv7(), method: 'POST', body });
    }
    const forwarded = { name: 'cancel-order', request: { body: { orderId } } };
    expect(called).toMatchObject([forwarded, forwarded, forwarded]);
  });

  test('to cancel what is not an id gets 404 before any function is called', async () => {
    const response = await ask('/v1/orders/desk/cancel', { as: uuidv7(), method: 'POST' });
    expect(response).toMatchObject({ status: 404, body: { code: 'not_found', detail: 'There is no such order.' } });
    expect(await ask(`/v1/orders/${uuidv7()}/cancel`, { method: 'POST' })).toMatchObject({ status: 401 });
    expect(called).toEqual([]);
  });

  test('gets 503 with Retry-After when its function does not respond', async () => {
    functions.status = 503;
    const response = await ask('/v1/orders', { as: uuidv7(), body: {} });
    expect(response).toMatchObject({ status: 503, body: { code: 'unavailable' } });
    expect(response.headers.get('retry-after')).toBe('1');
  });
});

// promise: http-errors, owasp-api9
test('returns 404 for an unknown route, and 405 with the allowed methods for another method', async () => {
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
    const response = await ask(path, { as: uuidv7(), method: 'DELETE' });
    expect({ status: response.status, allow: response.headers.get('allow') }).toEqual({ status: 405, allow });
  }
});

// promise: owasp-api8
test('forbids caches to store a response, and other origins to read it', async () => {
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

describe('the default limits', () => {
  test('allow ten failed log-ins of an e-mail, and count other e-mails separately', async () => {
    functions.status = 401;
    const logIn = (email: string) => ask('/v1/sessions', { body: { email, password: 'x' } });
    for (let index = 0; index < 10; index += 1) expect((await logIn('ann@example.com')).status).toBe(401);
    const limited = await logIn('ANN@example.com');
    expect(limited).toMatchObject({ status: 429, body: { code: 'too_many_requests' } });
    expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await logIn('bob@example.com')).status).toBe(401);
  });

  test('allow 200 requests of a customer at once, and count other customers separately', async () => {
    const [ann, bob] = [uuidv7(), uuidv7()];
    const responses = await Promise.all(Array.from({ length: 200 }, () => ask('/v1/orders', { as: ann })));
    expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([200]));
    const left = (response: { headers: Headers }) =>
      Number(/r=(\d+)/.exec(response.headers.get('ratelimit') ?? '')?.[1]);
    expect(Math.min(...responses.map(left))).toBeLessThan(499);
    const first = await ask('/v1/orders', { as: bob });
    expect(first.headers.get('ratelimit-policy')).toContain('q=500; w=1');
    expect(left(first)).toBe(499);
  });
});

// promise: health
test('responds that it is alive, and reports what is down', async () => {
  expect(await ask('/healthz')).toMatchObject({ status: 200, body: { status: 'ok' } });
  // no broker runs in this test
  expect(await ask('/readyz')).toMatchObject({
    status: 503,
    body: { status: 'degraded', database: 'up', broker: 'down' },
  });
});
