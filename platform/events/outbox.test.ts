import { beforeEach, expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { orderPlaced } from '#events/order-placed.ts';
import { beginChain } from '#platform/events/event.ts';
import { context, useBroker } from '#test/support/context.ts';

// a broker that responds when the test lets it
let responses: (() => void)[] = [];
const published: string[] = [];
useBroker((event) => {
  published.push(event.id);
  return new Promise((resolve) => responses.push(resolve));
});
const { publish } = context.outbox;
beforeEach(async () => {
  while (responses.length > 0) await respondToAll();
  published.length = 0;
});

const event = () => beginChain(orderPlaced.create({ orderId: uuidv7(), userId: uuidv7() }));
const capacity = 128;
const fill = () => Promise.all(Array.from({ length: capacity }, () => publish(event())));

async function respondToAll(): Promise<void> {
  for (const respond of responses.splice(0)) respond();
  await new Promise((resolve) => setImmediate(resolve));
}

test('publishes a chain again only after it has ended', async () => {
  const one = event();
  await publish(one);
  await publish(one);
  expect(published).toEqual([one.id]);
  await respondToAll();
  await publish(one);
  expect(published).toEqual([one.id, one.id]);
});

// promise: owasp-api4
test('waits for a slot at the broker, first come, first served', async () => {
  await fill();
  const [first, second] = [event(), event()];
  const done: string[] = [];
  const waiting = [first, second].map((one) => publish(one).then(() => done.push(one.id)));
  responses.shift()?.();
  await waiting[0];
  expect(done).toEqual([first.id]);
  expect(published.slice(capacity)).toEqual([first.id]);
  responses.shift()?.();
  await waiting[1];
  expect(published.slice(capacity)).toEqual([first.id, second.id]);
});

test('leaves an event to its row when no slot is free in time, and can publish it later', async () => {
  await fill();
  const late = event();
  await publish(late, 20);
  expect(published).not.toContain(late.id);
  await respondToAll();
  await publish(late, 20);
  expect(published).toContain(late.id);
});
