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

// On SIGTERM, as at every rollout, a process finishes the requests in flight, and later ones wait for the next process:
// no customer has to retry.

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

// promise: sigterm
test('serves every request when processes get SIGTERM under load', async () => {
  const customers = await customersWith(shop, 10, 10_000_000);
  const load = keepOrdering(customers);
  const longestMs: number[] = [];
  for (const name of Array.from({ length: rounds }, () => names).flat()) {
    const [before, accepted] = [shop.pidOf(name), load.orders.length];
    shop.terminate(name);
    await until(`${name} was replaced`, () => ![undefined, before].includes(shop.pidOf(name)));
    await until('50 more orders are accepted', () => load.orders.length >= accepted + 50);
    await wait(300);
    const longest = load.longestMs();
    report(`${name.padEnd(17)} got SIGTERM: the longest response took ${longest} ms`);
    longestMs.push(longest);
  }
  await load.stop();
  expect(load.failures).toEqual([]);
  const ended = Date.now();
  await settledAndNotified(shop, load.orders, ended);
  await expectSound(shop);
  record({
    fault: 'SIGTERM (longest response)',
    count: longestMs.length,
    orders: load.orders.length,
    recoveriesMs: longestMs,
  });
});

/** Every customer orders pens in a loop, without retries; `failures` are the requests that did not get 202. */
function keepOrdering(customers: Customer[]) {
  const orders: string[] = [];
  const failures: string[] = [];
  let [running, longestMs] = [true, 0];
  const one = async ({ token }: Customer) => {
    while (running) {
      const began = Date.now();
      const headers = { 'idempotency-key': newKey() };
      const body = { items: [{ sku: 'pen', quantity: 1 }] };
      const response = await call<Order>(shop, 'POST', '/v1/orders', { token, headers, body }).catch(
        (error: Error) => `${error.message}: ${String((error.cause as Error | undefined)?.message)}`,
      );
      longestMs = Math.max(longestMs, Date.now() - began);
      if (typeof response !== 'string' && response.status === 202) {
        orders.push(response.body.id);
        shop.history.accepted.add(response.body.id);
      } else
        failures.push(typeof response === 'string' ? response : `${response.status} ${JSON.stringify(response.body)}`);
      await wait(10);
    }
  };
  const done = Promise.all(customers.map(one));
  return {
    orders,
    failures,
    /** The longest response since the last call of this. */
    longestMs: () => {
      const longest = longestMs;
      longestMs = 0;
      return longest;
    },
    stop: async () => {
      running = false;
      await done;
    },
  };
}
