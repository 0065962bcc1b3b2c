import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { uuidv7 } from 'uuidv7';
import { orderPlaced } from '#events/order-placed.ts';
import { beginChain } from '#platform/events/event.ts';
import { context } from '#test/support/context.ts';
import { freePort } from '#test/support/ports.ts';

let broker: Server | undefined;
let port = 0;
let received: string[] = [];

beforeEach(async () => {
  received = [];
  if (port > 0) return;
  port = await freePort();
  process.env['K_SINK'] = `http://127.0.0.1:${port}/shop/default`;
});
afterEach(close);

async function open(respond: RequestListener): Promise<void> {
  broker = createServer((request, response) => {
    received.push(String(request.headers['ce-id']));
    request.resume();
    respond(request, response);
  });
  broker.listen(port, '127.0.0.1');
  await once(broker, 'listening');
}

async function close(): Promise<void> {
  const closing = broker;
  broker = undefined;
  closing?.closeAllConnections();
  await new Promise((resolve) => (closing ? closing.close(resolve) : resolve(undefined)));
}

const event = () => beginChain(orderPlaced.create({ orderId: uuidv7(), userId: uuidv7() }));

test('sends the event as soon as a broker that was away is back', async () => {
  const one = event();
  await context.outbox.publish(one);
  await wait(250);
  await open((_request, response) => response.writeHead(202).end());
  await context.tasks.done(5_000);
  expect(received).toEqual([one.id]);
});

test('sends an event again that was in flight at a broker that died', async () => {
  let times = 0;
  await open((request, response) => {
    times += 1;
    if (times === 1) request.socket.destroy();
    else response.writeHead(202).end();
  });
  const one = event();
  await context.outbox.publish(one);
  await context.tasks.done(5_000);
  expect(received).toEqual([one.id, one.id]);
});

test('leaves an event to its row once the broker responded', async () => {
  await open((_request, response) => response.writeHead(500).end());
  await context.outbox.publish(event());
  await context.tasks.done(5_000);
  expect(received).toHaveLength(1);
});

test('does not make callers wait for a broker that stays away, and gives up after two seconds', async () => {
  const began = performance.now();
  await Promise.all(Array.from({ length: 300 }, () => context.outbox.publish(event())));
  expect(performance.now() - began).toBeLessThan(1_000);
  await context.tasks.done(10_000);
  expect(performance.now() - began).toBeLessThan(5_000);
});
