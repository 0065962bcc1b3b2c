import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { functionNames } from '#local/functions.ts';
import { call, newKey } from '#test/support/api.ts';
import { customersWith, type Customer, type Order } from '#test/support/customers.ts';
import { expectSound } from '#test/support/invariants.ts';
import { settledAndNotified } from '#test/support/load.ts';
import { startShop, type Shop } from '#test/support/shop.ts';
import { record, sized } from '#test/support/sizes.ts';
import { report, until } from '#test/support/until.ts';

// A process that is asked to end (SIGTERM, as at every rollout) finishes what it has begun, and what comes meanwhile
// waits for the next one: no customer has to ask twice.

const path = ['create-order', 'charge-account', 'settle-order', 'send-notification', 'storefront'];
const all = [...functionNames, 'broker'];
const rounds = sized(1, 3);
const names = sized(path.length, all.length) === path.length ? path : all;
jest.setTimeout(120_000 + rounds * names.length * 40_000);

let shop: Shop;
beforeAll(async () => {
  shop = await startShop({ processes: true });
});
afterAll(() => shop?.stop());

// promise: process-asked-end-loses
test('a process is asked to end under load: every request is answered', async () => {
  const customers = await customersWith(shop, 10, 10_000_000);
  const load = keepOrdering(customers);
  const longestMs: number[] = [];
  for (const name of Array.from({ length: rounds }, () => names).flat()) {
    const [before, answered] = [shop.pidOf(name), load.orders.length];
    shop.terminate(name);
    await until(`${name} was replaced`, () => ![undefined, before].includes(shop.pidOf(name)));
    await until('orders go on', () => load.orders.length >= answered + 50);
    await wait(300);
    const longest = load.longestMs();
    report(`${name.padEnd(17)} asked to end: the longest answer took ${longest} ms`);
    longestMs.push(longest);
  }
  await load.stop();
  expect(load.failures).toEqual([]);
  const ended = Date.now();
  await settledAndNotified(shop, load.orders, ended);
  await expectSound(shop);
  record({
    fault: 'SIGTERM (longest answer)',
    count: longestMs.length,
    orders: load.orders.length,
    recoveriesMs: longestMs,
  });
});

/** Every customer orders one pen after the other, each asked for once; `failures` are the requests that got no 202. */
function keepOrdering(customers: Customer[]) {
  const orders: string[] = [];
  const failures: string[] = [];
  let [going, longestMs] = [true, 0];
  const one = async ({ token }: Customer) => {
    while (going) {
      const began = Date.now();
      const headers = { 'idempotency-key': newKey() };
      const body = { items: [{ sku: 'pen', quantity: 1 }] };
      const answer = await call<Order>(shop, 'POST', '/v1/orders', { token, headers, body }).catch(
        (error: Error) => `${error.message}: ${String((error.cause as Error | undefined)?.message)}`,
      );
      longestMs = Math.max(longestMs, Date.now() - began);
      if (typeof answer !== 'string' && answer.status === 202) {
        orders.push(answer.body.id);
        shop.story.accepted.add(answer.body.id);
      } else failures.push(typeof answer === 'string' ? answer : `${answer.status} ${JSON.stringify(answer.body)}`);
      await wait(10);
    }
  };
  const done = Promise.all(customers.map(one));
  return {
    orders,
    failures,
    /** Since it was asked for last. */
    longestMs: () => {
      const longest = longestMs;
      longestMs = 0;
      return longest;
    },
    stop: async () => {
      going = false;
      await done;
    },
  };
}
