import { beforeAll, beforeEach, expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { orderPlaced } from '#events/order-placed.ts';
import { connectBroker } from '#platform/events/broker-client.ts';
import { beginChain } from '#platform/events/event.ts';
import { publish } from '#platform/events/outbox.ts';

// a broker that answers when the test lets it
let answers: (() => void)[] = [];
const published: string[] = [];
beforeAll(() =>
  connectBroker((event) => {
    published.push(event.id);
    return new Promise((resolve) => answers.push(resolve));
  }),
);
beforeEach(async () => {
  while (answers.length > 0) await answerAll();
  published.length = 0;
});

const event = () => beginChain(orderPlaced.create({ orderId: uuidv7(), userId: uuidv7() }));
const room = 128;
const fill = () => Promise.all(Array.from({ length: room }, () => publish(event())));

async function answerAll(): Promise<void> {
  for (const answer of answers.splice(0)) answer();
  await new Promise((resolve) => setImmediate(resolve));
}

test('a chain that is under way is not published again, one that has ended is', async () => {
  const one = event();
  await publish(one);
  await publish(one);
  expect(published).toEqual([one.id]);
  await answerAll();
  await publish(one);
  expect(published).toEqual([one.id, one.id]);
});

// promise: owasp-api4
test('when the broker has no more room, who publishes waits for it in turn', async () => {
  await fill();
  const [first, second] = [event(), event()];
  const done: string[] = [];
  const waiting = [first, second].map((one) => publish(one).then(() => done.push(one.id)));
  answers.shift()?.();
  await waiting[0];
  expect(done).toEqual([first.id]);
  expect(published.slice(room)).toEqual([first.id]);
  answers.shift()?.();
  await waiting[1];
  expect(published.slice(room)).toEqual([first.id, second.id]);
});

test('when the broker has no room for long, the event is left to its row and can be published later', async () => {
  await fill();
  const late = event();
  await publish(late, 20);
  expect(published).not.toContain(late.id);
  await answerAll();
  await publish(late, 20);
  expect(published).toContain(late.id);
});
