import { execFile } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { userRegistered } from '#events/user-registered.ts';
import type { Step } from '#local/key-rotation.ts';
import { call, newKey } from '#test/support/api.ts';
import { register, type Customer, type Order } from '#test/support/customers.ts';
import { eventOf, post } from '#test/support/events.ts';
import { expectSound } from '#test/support/invariants.ts';
import { settledAndNotified, outcomes } from '#test/support/load.ts';
import { startShop, type Shop } from '#test/support/shop.ts';
import { report, until } from '#test/support/until.ts';

// The keys of events and tokens are rotated as docs/operations.md tells, while customers log in and order.

jest.setTimeout(600_000);

let shop: Shop;
beforeAll(async () => {
  shop = await startShop({ processes: true });
});
afterAll(() => shop?.stop());

const word = 'Every function has the keys as they are now.';

/** Does a step as an operator does, and waits until the shop says, each time, that it has reached every function. */
async function step(name: Step, times = 1): Promise<void> {
  const said = () => shop.output().split(word).length;
  const before = said();
  for (let time = 1; time <= times; time += 1) {
    const { stdout } = await promisify(execFile)(process.execPath, ['local/rotate-keys.ts', name], {
      env: { ...process.env, NODE_OPTIONS: '', DATA_DIR: shop.dataDir },
    });
    expect(stdout.includes('was made before')).toBe(time > 1);
  }
  await until(`the step ${name} has reached every function`, () => said() >= before + times, 180_000);
}

test('a shop in one process, which takes new keys only at its start, says so and stays open', async () => {
  const one = await startShop();
  try {
    process.kill(one.pid, 'SIGUSR2');
    await until('it says so', () => one.output().includes('Not every function has new keys. All functions are in one'));
    expect((await fetch(`${one.url}/healthz`)).status).toBe(200);
  } finally {
    await one.stop();
  }
});

// promise: keys-rotated-while-customers
test('the keys are rotated under load: no request fails, nothing is parked, every order is decided', async () => {
  const people = await Promise.all([1, 2, 3].map(() => register(shop)));
  for (const customer of people) await customer.deposit(10_000_000);
  const load = startLoad(people);
  const [{ token: oldToken }] = people as [Customer];
  const oldTokenIs = async () => (await call(shop, 'GET', '/v1/users/me', { token: oldToken })).status;
  const parked = () => shop.sql<{ id: string }>('select event_id as id from events.dead_letters');

  await load.goesOn();
  await step('accept', 2); // made again before it has reached every function
  await load.goesOn();
  await step('sign');
  const signed = Date.now();
  await load.goesOn();
  expect(await oldTokenIs()).toBe(200);
  expect(await post(shop, eventOf(userRegistered, { userId: people[0]?.id ?? '' }))).toBe(202); // with an old key
  await until('what was signed with the old key has ended', async () => {
    const older = 'select id from events.outbox where created_at < to_timestamp($1::float8 / 1000)';
    return (await shop.sql(older, [signed])).length === 0;
  });
  await pause(3_000); // what the broker may still repeat; outside of tests it is left for longer than tokens live
  expect(await parked()).toEqual([]);
  await step('retire');
  await load.goesOn();
  expect(await oldTokenIs()).toBe(401);

  const { orders, failed } = await load.end();
  expect(failed).toEqual([]);
  await settledAndNotified(shop, orders, signed);
  expect(await outcomes(shop, orders)).toEqual({ paid: orders.length });
  expect(await parked()).toEqual([]);
  await expectSound(shop);
  report(`${orders.length} orders and as many log-ins while the keys were rotated`);

  const stale = eventOf(userRegistered, { userId: people[0]?.id ?? '' });
  shop.story.broken.add(stale.id);
  expect(await post(shop, stale)).toBe(202);
  await until('an event signed with the retired key is parked', async () => (await parked()).length === 1);
});

/** Customers who log in, order and look, again and again; each request has one attempt and a connection of its own. */
function startLoad(people: Customer[]) {
  const orders: string[] = [];
  const failed: string[] = [];
  let ended = false;

  async function ask<Body>(method: string, path: string, wanted: number, request: object): Promise<Body | undefined> {
    const headers = { connection: 'close', 'idempotency-key': newKey() };
    const answer = await call<Body>(shop, method, path, { headers, ...request }).catch(
      (error: unknown) => error as Error,
    );
    if (!(answer instanceof Error) && answer.status === wanted) return answer.body;
    failed.push(`${method} ${path}: ${answer instanceof Error ? answer.message : answer.status}`);
    return undefined;
  }

  const lives = people.map(async ({ email }) => {
    while (!ended) {
      const body = { email, password: 'correct horse battery' };
      const session = await ask<{ token: string }>('POST', '/v1/sessions', 201, { body });
      const token = session?.token;
      const order = await ask<Order>('POST', '/v1/orders', 202, {
        token,
        body: { items: [{ sku: 'pen', quantity: 1 }] },
      });
      if (!order) continue;
      orders.push(order.id);
      shop.story.accepted.add(order.id);
      await ask('GET', `/v1/orders/${order.id}`, 200, { token });
    }
  });
  return {
    /** Resolves once each has ordered a few times more. */
    goesOn: () => {
      const before = orders.length;
      return until('customers order', () => orders.length >= before + 15 || failed.length > 0);
    },
    end: async () => {
      ended = true;
      await Promise.all(lives);
      return { orders, failed };
    },
  };
}
