import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { rows, useDatabase } from '#test/support/database.ts';
import { handle as logIn } from '#functions/log-in/index.ts';
import { handle as registerUser } from '#functions/register-user/index.ts';
import { createStorefront } from '#functions/storefront/index.ts';
import { context, started, useBroker, useFunctions } from '#test/support/context.ts';
import { serveHttp, type HttpServer } from '#platform/http/http-server.ts';

// A guessed password costs the shop one hash, and must not delay the log-ins of customers.

useDatabase();

const password = 'correct horse';
const customers = ['ann@example.com', 'bob@example.com', 'eve@example.com'];
let server: HttpServer;
let url: string;
beforeAll(async () => {
  process.env['PROXY_HOPS'] = '2';
  useFunctions((name, request) => started(name === 'log-in' ? logIn : registerUser)({ method: 'POST', ...request }));
  useBroker(async () => undefined);
  server = await serveHttp(createStorefront(context), { port: 0, host: '127.0.0.1' });
  url = `http://127.0.0.1:${(server.server.address() as AddressInfo).port}/v1`;
  const hash = await context.passwords.hash(password);
  for (const email of customers) {
    await rows(`insert into users.users (id, email, name, password_hash) values ($1, $2, 'Ann', $3)`, [
      uuidv7(),
      email,
      hash,
    ]);
  }
  // connections and compiled code are not part of the measurement
  await Promise.all(Array.from({ length: 150 }, () => post('/sessions', '192.0.2.9', {})));
});
afterAll(async () => {
  await server.stop();
  await context.tasks.done(5_000);
});

async function post(path: string, from: string, body: object): Promise<Response> {
  const response = await fetch(url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-forwarded-for': `${from}, 10.1.1.1` },
    body: JSON.stringify(body),
  });
  await response.bytes();
  return response;
}

/** The duration of a request that must succeed, in milliseconds. */
async function timed(path: string, from: string, body: object): Promise<number> {
  const began = performance.now();
  expect((await post(path, from, body)).status).toBe(201);
  return performance.now() - began;
}

/** Guesses 150 passwords in each of two seconds; returns the responses and the longest wait of a customer. */
async function underAttack(addressOf: (guess: number) => string) {
  const responses: Response[] = [];
  let slowestMs = 0;
  for (const second of [1, 2]) {
    const began = performance.now();
    const guesses = Array.from({ length: 150 }, (_, guess) =>
      post('/sessions', addressOf(guess), { email: `${uuidv7()}@example.com`, password: 'a guess' }),
    );
    await pause(100); // the guesses are in flight and use all the capacity they may
    const from = `198.51.100.${second}`;
    const name = 'Ann';
    const waits = await Promise.all([
      timed('/sessions', from, { email: customers[0] ?? '', password }),
      timed('/users', from, { email: `${uuidv7()}@example.com`, password, name }),
    ]);
    slowestMs = Math.max(slowestMs, ...waits);
    responses.push(...(await Promise.all(guesses)));
    if (second === 1) await pause(Math.max(0, 1_000 - (performance.now() - began)));
  }
  return { responses, slowestMs };
}

// promise: guessed-passwords
test('customers log in and register within half a second while one address guesses 150 passwords a second', async () => {
  const { responses, slowestMs } = await underAttack(() => '192.0.2.1');
  expect(slowestMs).toBeLessThan(500);
  expect(responses.filter(({ status }) => status === 401).length).toBeLessThanOrEqual(100);
  const limited = responses.filter(({ status }) => status === 429);
  expect(limited.length).toBeGreaterThan(0);
  for (const { headers } of limited) {
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    expect(Number(headers.get('retry-after'))).toBeLessThanOrEqual(60);
  }
});

// promise: guessed-passwords
test('customers log in and register within half a second while 20 addresses guess that have failed before', async () => {
  const addressOf = (guess: number) => `203.0.113.${guess % 20}`;
  const first = Array.from({ length: 20 }, (_, guess) =>
    post('/sessions', addressOf(guess), { email: customers[1] ?? '', password: 'a guess' }),
  );
  expect(new Set((await Promise.all(first)).map(({ status }) => status))).toEqual(new Set([401]));
  const { responses, slowestMs } = await underAttack(addressOf);
  expect(slowestMs).toBeLessThan(500);
  expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([401, 503]));
});

test('twenty log-ins at once from one address succeed', async () => {
  const logIns = Array.from({ length: 20 }, (_, index) =>
    timed('/sessions', '198.51.100.99', { email: customers[1 + (index % 2)] ?? '', password }),
  );
  expect(await Promise.all(logIns)).toHaveLength(20);
});
