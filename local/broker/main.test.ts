import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, expect, test } from '@jest/globals';
import { folderOf } from '#local/broker/fixtures.ts';

const opened: (() => unknown)[] = [];
afterEach(() => opened.splice(0).forEach((close) => close()));

const folder = folderOf(
  `{ apiVersion: eventing.knative.dev/v1, kind: Broker, metadata: { name: default, namespace: shop }, spec: { delivery: {} } }`,
  `{ apiVersion: eventing.knative.dev/v1, kind: Trigger, metadata: { name: one, namespace: shop },
     spec: { broker: default, subscriber: { ref: { kind: Service, name: first } } } }`,
);
const headers = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/test', 'ce-type': 'a' };

function launch(settings: Record<string, string>): ChildProcess {
  const env = { ...process.env, BROKER_PORT: '0', BROKER_DIR: folder, SUBSCRIBERS: '{}', ...settings };
  const child = fork('local/broker/main.ts', { env, silent: true });
  opened.push(() => child.kill('SIGKILL'));
  return child;
}

async function ready(child: ChildProcess): Promise<string> {
  const [message] = (await once(child, 'message')) as [{ ready: boolean; port: number }];
  expect(message).toEqual({ ready: true, port: expect.any(Number) });
  return `http://127.0.0.1:${message.port}/shop/default`;
}

test('finishes deliveries in flight on SIGTERM and exits with 0, without output', async () => {
  const { promise: called, resolve: calling } = Promise.withResolvers<ServerResponse>();
  const subscriber = createServer((_, response) => calling(response)).listen(0, '127.0.0.1');
  await once(subscriber, 'listening');
  opened.push(() => (subscriber.close(), subscriber.closeAllConnections()));
  const { port } = subscriber.address() as AddressInfo;
  const child = launch({ SUBSCRIBERS: JSON.stringify({ first: `http://127.0.0.1:${port}/` }) });
  const url = await ready(child);
  const posted = fetch(url, { method: 'POST', headers });
  const pending = await called;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  pending.writeHead(204).end();
  expect((await posted).status).toBe(202);
  expect(await exited).toEqual([0, null]);
  expect(await text(child.stdout!)).toBe('');
  expect(await text(child.stderr!)).toBe('');
});

test('exits when its parent disconnects', async () => {
  const child = launch({});
  await ready(child);
  child.disconnect();
  expect(await once(child, 'exit')).toEqual([0, null]);
});

test('reports which event it lost, and why', async () => {
  const child = launch({});
  const url = await ready(child);
  expect((await fetch(url, { method: 'POST', headers })).status).toBe(500);
  child.disconnect();
  expect(await text(child.stderr!)).toBe('broker: lost a 1: one: no dead letter sink\n');
});

test.each<[Record<string, string>, string]>([
  [{ BROKER_PORT: 'x' }, 'Settings are missing or invalid – BROKER_PORT: must be a whole number'],
  [{ SUBSCRIBERS: '[1]' }, 'SUBSCRIBERS: must be a JSON object of names and URLs'],
  [{ BROKER_FAULTS: 'lose=1' }, 'broker: unknown fault "lose"'],
  [{ BROKER_DIR: '/nowhere' }, 'broker: ENOENT'],
])('does not start with %j, and reports why', async (settings, message) => {
  const child = launch(settings);
  const [[code], errors] = await Promise.all([once(child, 'exit'), text(child.stderr!)]);
  expect(code).toBe(1);
  expect(errors).toContain(message);
});
