import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { AddressInfo } from 'node:net';
import { uuidv7 } from 'uuidv7';
import { createStorefront } from '../index.ts';
import { bearer } from '#test/support/calls.ts';
import { useDatabase } from '#test/support/database.ts';
import { serveHttp, type HttpServer } from '#platform/http/http-server.ts';
import { context, useFunctions } from '#test/support/context.ts';

// The limits as an operator may set them; storefront.test.ts tests the defaults.

useDatabase();

let gateway: HttpServer;
let url: string;
let statusOfLogIn = 401;
beforeAll(async () => {
  Object.assign(process.env, {
    RATE_LIMIT_REQUESTS: '3',
    RATE_LIMIT_REGISTRATIONS: '1',
    RATE_LIMIT_FAILED_LOGINS: '2',
    RATE_LIMIT_FAILED_LOGINS_PER_ADDRESS: '3',
    PROXY_HOPS: '3',
  });
  gateway = await serveHttp(createStorefront(context), { port: 0, host: '127.0.0.1' });
  url = `http://127.0.0.1:${(gateway.server.address() as AddressInfo).port}`;
  useFunctions(async (name) => ({ statusCode: name === 'log-in' ? statusOfLogIn : 201, headers: {}, body: {} }));
});
afterAll(() => gateway.stop());

const ask = (path: string, headers: Record<string, string> = {}, body?: unknown) =>
  fetch(url + path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });

let forged = 0;
/** The headers of a call from an address, with another forged one before it each time. */
const from = (address: string) => ({
  'x-forwarded-for': `198.51.100.${forged++ % 250}, ${address}, 10.0.0.1, 10.0.0.2`,
  forwarded: `for=198.51.100.${forged % 250}`,
});

/** Sends twenty requests at once until one is refused; repeats them, because a new second may begin in between. */
async function refusedIn(burst: () => Promise<Response>): Promise<Response> {
  for (let time = 1; time <= 10; time += 1) {
    const responses = await Promise.all(Array.from({ length: 20 }, burst));
    const refused = responses.find(({ status }) => status === 429);
    if (refused) return refused;
  }
  throw new Error('no request was refused');
}

async function expectTooMany(response: Response, quota: number): Promise<void> {
  expect(response.headers.get('retry-after')).toBe('1');
  expect(response.headers.get('ratelimit-policy')).toContain(`q=${quota}; w=1`);
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  expect(await response.json()).toMatchObject({ status: 429, code: 'too_many_requests' });
}

describe('returns 429 with Retry-After to', () => {
  // promise: rate-limit
  test('a customer with too many requests', async () => {
    const ann = await bearer(uuidv7());
    await expectTooMany(await refusedIn(() => ask('/v1/orders', { ...ann })), 3);
  });

  // promise: owasp-api4
  test('an address that tries too many tokens', async () => {
    await expectTooMany(await refusedIn(() => ask('/v1/orders', { authorization: 'Bearer a.b.c' })), 3);
  });

  // promise: owasp-api6
  test('an address that registers too often', async () => {
    // two from each address: few enough requests, too many registrations
    let next = 0;
    const register = () => ask('/v1/users', from(`10.0.0.${1 + (next++ % 10)}`), {});
    await expectTooMany(await refusedIn(register), 1);
  });
});

// promise: rate-limit, owasp-api2
test('counts failed log-ins by e-mail and address together, so that one address cannot lock out another', async () => {
  const logIn = async (email: string, address: string) =>
    (await ask('/v1/sessions', from(address), { email, password: 'x' })).status;
  const mallory = '192.0.2.1';
  expect([await logIn('ann@example.com', mallory), await logIn('Ann@Example.com', mallory)]).toEqual([401, 401]);
  expect(await logIn('ann@example.com', mallory)).toBe(429);
  expect(await logIn('ann@example.com', '192.0.2.2')).toBe(401);
});

// promise: guessed-passwords
test('counts failed log-ins of an address for any e-mail, and not those of other addresses', async () => {
  const logIn = (index: number, address: string) =>
    ask('/v1/sessions', from(address), { email: `guess-${index}@example.com`, password: 'x' });
  const responses = [];
  for (let index = 0; index < 4; index += 1) responses.push(await logIn(index, '192.0.2.3'));
  expect(responses.map(({ status }) => status)).toEqual([401, 401, 401, 429]);
  const retryAfter = Number(responses[3]?.headers.get('retry-after'));
  expect(retryAfter).toBeGreaterThan(0);
  expect(retryAfter).toBeLessThanOrEqual(60);
  expect((await logIn(4, '192.0.2.4')).status).toBe(401);
});

test('counts all spellings of an e-mail as one', async () => {
  const logIn = async (email: string) =>
    (await ask('/v1/sessions', from('192.0.2.5'), { email, password: 'x' })).status;
  expect(await logIn('ann@münchen.de')).toBe(401);
  expect(await logIn('ANN@xn--mnchen-3ya.de')).toBe(401);
  expect(await logIn('Ann@MÜNCHEN.DE'.normalize('NFD'))).toBe(429);
});

test('does not count log-ins that succeed, or that fail with 503', async () => {
  const bob = { email: 'bob@example.com', password: 'x' };
  const logIn = async (address: string) => (await ask('/v1/sessions', from(address), bob)).status;
  for (statusOfLogIn of [201, 503]) {
    const address = `2001:db8:0:${statusOfLogIn}::1`;
    const statuses = [await logIn(address), await logIn(address), await logIn(address)];
    expect(new Set(statuses)).toEqual(new Set([statusOfLogIn]));
  }
  statusOfLogIn = 401;
});
