import { afterEach, expect, jest, test } from '@jest/globals';
import { setTimeout as wait } from 'node:timers/promises';
import { uuidv7 } from 'uuidv7';
import { orderPlaced } from '#events/order-placed.ts';
import { beginChain } from '#platform/events/event.ts';
import { newContext } from '#test/support/context.ts';
import { row, rows, useDatabase } from '#test/support/database.ts';
import { until } from '#test/support/until.ts';

// A durable broker stores events and responds at once. What follows takes as long as its consumers take: it may be behind,
// and then a producer that publishes again what has not ended yet only adds to its load.

jest.setTimeout(120_000);
useDatabase();

const slots = 128;
let stop: () => Promise<void>;
afterEach(() => stop());

/** A durable broker, whose only consumer ends a chain 50 ms after its event has arrived, unless it is paused. */
function durableBroker() {
  const queue: string[] = [];
  const published: string[] = [];
  const broker = { queue, published, paused: false, loses: (_id: string) => false };
  const consume = setInterval(() => {
    if (broker.paused) return;
    const ids = queue.splice(0, 20);
    if (ids.length > 0) void rows('delete from events.outbox where id = any ($1::text[])', [ids]);
  }, 50);
  const context = newContext({
    broker: {
      isReachable: async () => true,
      send: async ({ id }) => {
        published.push(id);
        if (!broker.loses(id)) queue.push(id);
      },
    },
  });
  const { outbox } = context;
  context.tasks.start();
  stop = async () => {
    await context.close(5_000);
    clearInterval(consume);
  };
  return {
    broker,
    /** Begins chains at a steady rate; resolves with the longest time that a publisher waited. */
    async place(count: number, everyMs: number): Promise<number> {
      let longestMs = 0;
      const publishing: Promise<void>[] = [];
      for (let placed = 0; placed < count; placed += 1) {
        const event = beginChain(orderPlaced.create({ orderId: uuidv7(), userId: uuidv7() }));
        await rows('insert into events.outbox (id, event) values ($1, $2)', [event.id, JSON.stringify(event)]);
        const since = performance.now();
        const done = outbox.publish(event).then(() => {
          longestMs = Math.max(longestMs, performance.now() - since);
        });
        publishing.push(done);
        await wait(everyMs);
      }
      await Promise.all(publishing);
      return longestMs;
    },
  };
}

const open = async () => (await row<{ open: number }>('select count(*) as open from events.outbox')).open;
const repeated = (published: string[]) => published.length - new Set(published).size;

test('a durable broker gets an event once while its chains end', async () => {
  const { broker, place } = durableBroker();
  await place(200, 20);
  await until('all chains have ended', async () => (await open()) === 0, 10_000);
  expect(broker.published).toHaveLength(200);
});

// promise: back-pressure
test('a durable broker that pauses for 12 s gets few events twice, and none is lost', async () => {
  const { broker, place } = durableBroker();
  await place(40, 20);
  broker.paused = true;
  const resume = wait(12_000).then(() => (broker.paused = false));
  const longestMs = await place(480, 25);
  await resume;
  // the producer slows down, for a second at most
  expect(longestMs).toBeGreaterThan(500);
  expect(longestMs).toBeLessThan(2_000);
  await until('all chains have ended', async () => (await open()) === 0, 30_000);
  expect(new Set(broker.published).size).toBe(520);
  expect(repeated(broker.published)).toBeLessThanOrEqual(slots);
});

test('an event that a durable broker has lost is published again within three seconds', async () => {
  const { broker, place } = durableBroker();
  await place(40, 20);
  const lost = new Set<string>();
  // each tenth event, once
  broker.loses = (id) => broker.published.length % 10 === 0 && !lost.has(id) && lost.add(id) !== undefined;
  await place(100, 20);
  await until('all chains have ended', async () => (await open()) === 0, 4_000);
  expect(lost.size).toBeGreaterThan(5);
  expect(repeated(broker.published)).toBe(lost.size);
});
