import { expect, test } from '@jest/globals';
import { setTimeout as wait } from 'node:timers/promises';
import { uuidv7 } from 'uuidv7';
import { createOpenChains, type OpenChains } from '#platform/events/open-chains.ts';
import { context } from '#test/support/context.ts';
import { row, rows, useDatabase } from '#test/support/database.ts';
import { until } from '#test/support/until.ts';

useDatabase();

const begin = async (): Promise<string> => {
  const id = `${uuidv7()}.placed`;
  await rows(`insert into events.outbox (id, event) values ($1, '{}')`, [id]);
  return id;
};
const end = (id: string) => rows('delete from events.outbox where id = $1', [id]);
const dueInMs = async (id: string) =>
  (
    await row<{ ms: number }>(
      `select extract(epoch from due_at - clock_timestamp())::float8 * 1000 as ms from events.outbox where id = $1`,
      [id],
    )
  ).ms;

/** Follows a chain that ends after the response of its broker. */
async function onDurableBroker(): Promise<OpenChains> {
  const chains = createOpenChains(context.database);
  await chains.check();
  const id = await begin();
  chains.accepted(id, performance.now(), () => undefined);
  await wait(100); // it reads that the chain is open
  await end(id);
  await chains.check();
  expect(chains.isDurable()).toBe(true);
  return chains;
}

test('a broker that responds at the end of each chain is not durable, and a chain is no longer in flight then', async () => {
  const chains = createOpenChains(context.database);
  let released = 0;
  for (let count = 0; count < 3; count += 1) {
    await chains.check();
    chains.accepted(`${uuidv7()}.placed`, performance.now(), () => (released += 1));
  }
  expect(released).toBe(3);
  expect(chains.isDurable()).toBe(false);
});

test('a chain that such a broker has lost keeps its due time', async () => {
  const chains = createOpenChains(context.database);
  await chains.check();
  const id = await begin();
  chains.accepted(id, performance.now() - 400, () => undefined);
  await wait(100);
  await chains.check();
  expect(chains.isDurable()).toBe(false);
  expect(await dueInMs(id)).toBeLessThan(1_000);
});

test('a chain that a durable broker has accepted is due later, and in flight until it ends', async () => {
  const chains = await onDurableBroker();
  const id = await begin();
  let isInFlight = true;
  chains.accepted(id, performance.now() - 400, () => (isInFlight = false));
  await chains.check();
  expect(await dueInMs(id)).toBeGreaterThan(1_500);
  expect(isInFlight).toBe(true);
  await end(id);
  await chains.check();
  expect(isInFlight).toBe(false);
});

test('a chain that just began is left as it is', async () => {
  const chains = await onDurableBroker();
  const id = await begin();
  chains.accepted(id, performance.now(), () => undefined);
  await chains.check();
  expect(await dueInMs(id)).toBeLessThan(1_000);
});

test('a chain is due after two seconds if a younger one has ended, and after ten if none has', async () => {
  const chains = await onDurableBroker();
  const [lost, younger, youngest] = [await begin(), await begin(), await begin()];
  const now = performance.now();
  chains.accepted(lost, now - 400, () => undefined);
  chains.accepted(younger, now - 200, () => undefined);
  await end(younger);
  await chains.check();
  chains.accepted(youngest, now, () => undefined);
  await wait(400);
  await chains.check();
  expect(await dueInMs(lost)).toBeLessThan(2_000);
  // nothing published since has ended: the broker may be behind
  expect(await dueInMs(youngest)).toBeGreaterThan(9_000);
});

test('a chain of a broker that is behind is left to its row after ten seconds', async () => {
  const chains = await onDurableBroker();
  const id = await begin();
  let isInFlight = true;
  chains.accepted(id, performance.now() - 10_100, () => (isInFlight = false));
  await chains.check();
  expect(isInFlight).toBe(false);
});

test('a check does not wait for a row that is locked', async () => {
  const chains = await onDurableBroker();
  const id = await begin();
  await rows('begin');
  await rows('select 1 from events.outbox where id = $1 for update', [id]);
  chains.accepted(id, performance.now() - 400, () => undefined);
  const began = performance.now();
  await chains.check();
  expect(performance.now() - began).toBeLessThan(1_000);
  await rows('rollback');
});

test('a publisher that waits for a slot is served soon after a chain has ended', async () => {
  const chains = await onDurableBroker();
  const id = await begin();
  let isInFlight = true;
  chains.accepted(id, performance.now(), () => (isInFlight = false));
  await end(id);
  chains.checkSoon();
  await until('the chain is seen to end', () => !isInFlight, 2_000);
});

test('fewer chains may be in flight while a durable broker is behind, and all again when it is not', async () => {
  const chains = await onDurableBroker();
  expect(chains.limit()).toBe(128);
  const slow = await begin();
  chains.accepted(slow, performance.now() - 3_000, () => undefined);
  await end(slow);
  await wait(600);
  await chains.check();
  expect(chains.limit()).toBe(8);
  for (let checks = 0; chains.limit() < 128 && checks < 30; checks += 1) {
    await wait(520);
    await chains.check();
  }
  expect(chains.limit()).toBe(128);
});
