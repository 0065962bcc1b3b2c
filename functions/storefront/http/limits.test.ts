import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { AddressInfo } from 'node:net';
import { uuidv7 } from 'uuidv7';
import { createStorefront } from '#functions/storefront/index.ts';
import { bearer } from '#test/support/calls.ts';
import { useDatabase } from '#test/support/database.ts';
import { serveHttp, type HttpServer } from '#platform/http/http-server.ts';
import { context, useFunctions } from '#test/support/context.ts';

// The limits as an operator may set them; the defaults are read from the answers in storefront.test.ts.

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
/** Calls from an address, and writes another one before it each time, as a caller may. */
const from = (address: string) => ({
  'x-forwarded-for': `198.51.100.${forged++ % 250}, ${address}, 10.0.0.1, 10.0.0.2`,
  forwarded: `for=198.51.100.${forged % 250}`,
});

/** Asks twenty times at once, again if that took so long that a new second began in between, until one is refused. */
async function refusedIn(burst: () => Promise<Response>): Promise<Response> {
  for (let time = 1; time <= 10; time += 1) {
    const answers = await Promise.all(Array.from({ length: 20 }, burst));
    const refused = answers.find(({ status }) => status === 429);
    if (refused) return refused;
  }
  throw new Error('nobody was refused');
}

async function expectNotified(answer: Response, quota: number): Promise<void> {
  expect(answer.headers.get('retry-after')).toBe('1');
  expect(answer.headers.get('ratelimit-policy')).toContain(`q=${quota}; w=1`);
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  expect(await answer.json()).toMatchObject({ status: 429, code: 'too_many_requests' });
}

describe('who asks too often is told when to come again', () => {
  // promise: rate-limit
  test('a customer', async () => {
    const ann = await bearer(uuidv7());
    await expectNotified(await refusedIn(() => ask('/v1/orders', { ...ann })), 3);
  });

  // promise: owasp-api4
  test('an address that tries tokens', async () => {
    await expectNotified(await refusedIn(() => ask('/v1/orders', { authorization: 'Bearer a.b.c' })), 3);
  });

  // promise: owasp-api6
  test('an address that registers', async () => {
    // two of each address: few enough requests, too many registrations
    let next = 0;
    const register = () => ask('/v1/users', from(`10.0.0.${1 + (next++ % 10)}`), {});
    await expectNotified(await refusedIn(register), 1);
  });
});

// promise: rate-limit, owasp-api2
test('failed log-ins count for an e-mail from an address: nobody can lock out somebody else', async () => {
  const logIn = async (email: string, address: string) =>
    (await ask('/v1/sessions', from(address), { email, password: 'x' })).status;
  const mallory = '192.0.2.1';
  expect([await logIn('ann@example.com', mallory), await logIn('Ann@Example.com', mallory)]).toEqual([401, 401]);
  expect(await logIn('ann@example.com', mallory)).toBe(429);
  expect(await logIn('ann@example.com', '192.0.2.2')).toBe(401);
});

// promise: guessed-passwords
test('failed log-ins count for an address, whatever the e-mails; another address may go on', async () => {
  const logIn = (index: number, address: string) =>
    ask('/v1/sessions', from(address), { email: `guess-${index}@example.com`, password: 'x' });
  const answers = [];
  for (let index = 0; index < 4; index += 1) answers.push(await logIn(index, '192.0.2.3'));
  expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 429]);
  const retryAfter = Number(answers[3]?.headers.get('retry-after'));
  expect(retryAfter).toBeGreaterThan(0);
  expect(retryAfter).toBeLessThanOrEqual(60);
  expect((await logIn(4, '192.0.2.4')).status).toBe(401);
});

test('an e-mail is the same for the limit however it is written', async () => {
  const logIn = async (email: string) =>
    (await ask('/v1/sessions', from('192.0.2.5'), { email, password: 'x' })).status;
  expect(await logIn('ann@münchen.de')).toBe(401);
  expect(await logIn('ANN@xn--mnchen-3ya.de')).toBe(401);
  expect(await logIn('Ann@MÜNCHEN.DE'.normalize('NFD'))).toBe(429);
});

test('log-ins that succeed, or that the shop could not answer, do not count as failed', async () => {
  const bob = { email: 'bob@example.com', password: 'x' };
  const logIn = async (address: string) => (await ask('/v1/sessions', from(address), bob)).status;
  for (statusOfLogIn of [201, 503]) {
    const address = `2001:db8:0:${statusOfLogIn}::1`;
    const statuses = [await logIn(address), await logIn(address), await logIn(address)];
    expect(new Set(statuses)).toEqual(new Set([statusOfLogIn]));
  }
  statusOfLogIn = 401;
});
