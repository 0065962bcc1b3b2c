import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { connect, createServer, type AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { text } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import { userRegistered } from '#events/user-registered.ts';
import { eventOf } from '#test/support/calls.ts';
import { rows, useDatabase } from '#test/support/database.ts';
import { customer } from '#test/support/fixtures.ts';
import { until } from '#test/support/until.ts';
import { writeEvent } from '#platform/events/event-http.ts';

// The real runtime serves real functions, each in its own process, as on a cluster.
useDatabase();

interface Served {
  child: ChildProcess;
  port: number;
  url: string;
}

async function serve(name: string): Promise<Served> {
  const free = createServer().listen(0, '127.0.0.1');
  await once(free, 'listening');
  const { port } = free.address() as AddressInfo;
  free.close();
  const child = spawn(process.execPath, ['start.ts'], {
    env: { ...process.env, NODE_OPTIONS: '', K_SERVICE: name, PORT: String(port), HOST: '127.0.0.1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  await until('the function is ready', async () => (await fetch(`http://127.0.0.1:${port}/health/readiness`)).ok);
  return { child, port, url: `http://127.0.0.1:${port}/` };
}

let events: Served;
let commands: Served;
let sink: Served;
beforeAll(async () => {
  [events, commands, sink] = await Promise.all([serve('create-account'), serve('log-in'), serve('park-event')]);
});
afterAll(() => {
  for (const { child } of [events, commands, sink]) child.kill('SIGKILL');
});

async function post(to: Served, body: string, headers: Record<string, string>, path = '') {
  const response = await fetch(to.url + path, { method: 'POST', headers, body });
  return { status: response.status, headers: response.headers, body: await response.text() };
}

async function registered(): Promise<{ headers: Record<string, string>; body: string; userId: string }> {
  const { userId } = await customer({ balance: null });
  const { headers, body } = writeEvent(eventOf(userRegistered, { userId }));
  return { headers, body: String(body), userId };
}

/** How often a process has been woken so far. */
const wakes = ({ child }: Served) =>
  Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]);

test('sleeps while it is not called', async () => {
  // the start's own work has to be over
  await wait(1_000);
  const before = wakes(commands);
  await wait(2_000);
  // the runtime alone would wake 600 times
  expect(wakes(commands) - before).toBeLessThan(150);
});

describe('an event function', () => {
  test('replies to an event with an event in binary mode', async () => {
    const { headers, body, userId } = await registered();
    const response = await post(events, body, headers);
    expect({ status: response.status, type: response.headers.get('ce-type') }).toEqual({
      status: 200,
      type: 'shop.account.opened.v1',
    });
    expect(JSON.parse(response.body)).toMatchObject({ userId });
  });

  test('reads structured mode too', async () => {
    const { userId } = await customer({ balance: null });
    const body = JSON.stringify(eventOf(userRegistered, { userId }));
    expect((await post(events, body, { 'content-type': 'application/cloudevents+json' })).status).toBe(200);
  });

  test.each([
    ['without a type', (headers: Record<string, string>) => void delete headers['ce-type']],
    ['without an id', (headers: Record<string, string>) => void delete headers['ce-id']],
    ['without a source', (headers: Record<string, string>) => void delete headers['ce-source']],
    ['of another version', (headers: Record<string, string>) => void (headers['ce-specversion'] = '19.0')],
    ['with a time that is none', (headers: Record<string, string>) => void (headers['ce-time'] = 'noon')],
    [
      'in batch mode',
      (headers: Record<string, string>) => void (headers['content-type'] = 'application/cloudevents-batch+json'),
    ],
  ])('returns 400, not 500, for an event %s', async (_what, spoil) => {
    const { headers, body } = await registered();
    spoil(headers);
    expect((await post(events, body, headers)).status).toBe(400);
  });

  test('returns 400 for data that is not JSON, for a plain request, and for an unreadable structured event', async () => {
    const { headers } = await registered();
    expect((await post(events, '{"userId":', headers)).status).toBe(400);
    expect((await post(events, '{}', { 'content-type': 'application/json' })).status).toBe(400);
    expect((await post(events, '{', { 'content-type': 'application/cloudevents+json' })).status).toBe(400);
    const { userId } = await customer({ balance: null });
    const event = { ...eventOf(userRegistered, { userId }), time: 'noon' };
    const response = await post(events, JSON.stringify(event), { 'content-type': 'application/cloudevents+json' });
    expect(response.status).toBe(400);
    expect(response.body).toContain('time must be one of RFC 3339');
  });

  test('accepts no event in the query', async () => {
    const { headers, body } = await registered();
    expect((await post(events, body, headers, '?cloudevent=x')).status).toBe(400);
    expect((await post(commands, '{}', { 'content-type': 'application/json' }, '?body=x')).status).toBe(400);
  });

  test('refuses a repeated attribute', async () => {
    const { headers, body } = await registered();
    const lines = [...Object.entries(headers), ['ce-id', 'other'], ['content-length', String(body.length)]];
    const socket = connect(events.port, '127.0.0.1');
    const request = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    socket.end(`POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${request}\r\n${body}`);
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 400 /);
  });

  test('accepts an unreadable event as the dead letter sink', async () => {
    const { headers } = await registered();
    expect((await post(sink, 'no \0 JSON', { ...headers, 'ce-knativeerrorcode': '400' })).status).toBe(204);
    expect(await rows('select verified from events.dead_letters where event_id = $1', [headers['ce-id']])).toEqual([
      { verified: false },
    ]);
  });
});

test('allows no other origin in a response', async () => {
  const response = await post(commands, '{}', { 'content-type': 'application/json', origin: 'http://evil.example' });
  expect(response.status).toBe(422);
  expect(response.headers.get('access-control-allow-origin')).toBeNull();
});

// promise: owasp-api8
test('hides the cause of an error', async () => {
  await rows('alter table users.users rename to users_away');
  const body = JSON.stringify({ email: 'a@example.com', password: 'x' });
  const response = await post(commands, body, { 'content-type': 'application/json' });
  await rows('alter table users.users_away rename to users');
  expect(response.status).toBe(500);
  expect(response.body).not.toMatch(/users|relation|42P01/);
});

test('responds to health checks', async () => {
  for (const path of ['health/liveness', 'health/readiness']) {
    expect((await fetch(events.url + path)).status).toBe(200);
  }
});

test('is reached over the loopback only in a local shop', async () => {
  const other = Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .find(({ internal, family }) => !internal && family === 'IPv4');
  if (!other) return;
  await expect(fetch(`http://${other.address}:${events.port}/health/liveness`)).rejects.toThrow('fetch failed');
});

test('finishes what is in flight on SIGTERM, and exits with 0', async () => {
  const { child, port } = await serve('log-in');
  const body = JSON.stringify({ email: 'a@example.com', password: 'x' });
  const headers = { 'content-type': 'application/json' };
  const requests = [1, 2, 3].map(() =>
    request({ port, method: 'POST', headers, host: '127.0.0.1', agent: false }).end(body),
  );
  const responses = Promise.all(
    requests.map(async (sent) => {
      const [response] = (await once(sent, 'response')) as [IncomingMessage];
      response.resume();
      return response.statusCode;
    }),
  );
  // a later connection is served: those requests have been read, and their password hashes take a while
  await Promise.all(requests.map((sent) => once(sent, 'finish')));
  await once(request({ port, host: '127.0.0.1', path: '/health/liveness', agent: false }).end(), 'response');
  child.kill('SIGTERM');
  const [[code], statuses] = await Promise.all([once(child, 'exit'), responses]);
  expect({ code, statuses }).toEqual({ code: 0, statuses: [401, 401, 401] });
});

test('exits with 1 after an uncaught error', async () => {
  const child = spawn(
    process.execPath,
    [
      '--input-type=module-typescript',
      '--eval',
      `const { serveUnderRuntime } = await import('#platform/runtime/runtime.ts');
       await serveUnderRuntime(async () => { setTimeout(() => { throw new Error('boom'); }); return { statusCode: 204, headers: {} }; }, { port: ${8000 + (process.pid % 1000)}, host: '127.0.0.1' });
       await fetch('http://127.0.0.1:${8000 + (process.pid % 1000)}/', { method: 'POST', body: '{}' });`,
    ],
    { env: { ...process.env, NODE_OPTIONS: '' }, stdio: 'ignore' },
  );
  expect((await once(child, 'exit'))[0]).toBe(1);
});
