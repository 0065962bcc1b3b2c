import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { uuidv7 } from 'uuidv7';
import { orderPlaced } from '#events/order-placed.ts';
import { backgroundDone } from '#platform/runtime/background.ts';
import { beginChain, type ShopEvent } from '#platform/events/event.ts';
import { freePort } from '#test/support/ports.ts';

let broker: Server | undefined;
let port = 0;
let received: string[] = [];
let publish: (event: ShopEvent) => Promise<void>;

beforeEach(async () => {
  received = [];
  if (port > 0) return;
  port = await freePort();
  process.env['K_SINK'] = `http://127.0.0.1:${port}/shop/default`;
  ({ publish } = await import('#platform/events/outbox.ts'));
});
afterEach(close);

async function open(answer: RequestListener): Promise<void> {
  broker = createServer((request, response) => {
    received.push(String(request.headers['ce-id']));
    request.resume();
    answer(request, response);
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

test('a broker that is away for a moment is given the event as soon as it is back', async () => {
  const one = event();
  await publish(one);
  await wait(250);
  await open((_request, response) => response.writeHead(202).end());
  await backgroundDone(5_000);
  expect(received).toEqual([one.id]);
});

test('an event that was in the hands of a broker that died is sent again', async () => {
  let times = 0;
  await open((request, response) => {
    times += 1;
    if (times === 1) request.socket.destroy();
    else response.writeHead(202).end();
  });
  const one = event();
  await publish(one);
  await backgroundDone(5_000);
  expect(received).toEqual([one.id, one.id]);
});

test('what the broker has answered stands: its row repeats the event, once it is due', async () => {
  await open((_request, response) => response.writeHead(500).end());
  await publish(event());
  await backgroundDone(5_000);
  expect(received).toHaveLength(1);
});

test('nobody waits for a broker that stays away, and it is given up after two seconds', async () => {
  const began = performance.now();
  await Promise.all(Array.from({ length: 300 }, () => publish(event())));
  expect(performance.now() - began).toBeLessThan(1_000);
  await backgroundDone(10_000);
  expect(performance.now() - began).toBeLessThan(5_000);
});
