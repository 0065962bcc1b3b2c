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

// The keys of events and tokens are rotated as docs/operations.md describes, while customers log in and order.

jest.setTimeout(600_000);

let shop: Shop;
beforeAll(async () => {
  shop = await startShop({ processes: true });
});
afterAll(() => shop?.stop());

const confirmation = 'Every function has the keys as they are now.';

/** Runs a step as an operator does, and waits until the shop confirms each time that it has reached every function. */
async function step(name: Step, times = 1): Promise<void> {
  const confirmations = () => shop.output().split(confirmation).length;
  const before = confirmations();
  for (let time = 1; time <= times; time += 1) {
    const { stdout } = await promisify(execFile)(process.execPath, ['local/rotate-keys.ts', name], {
      env: { ...process.env, NODE_OPTIONS: '', DATA_DIR: shop.dataDir },
    });
    expect(stdout.includes('was made before')).toBe(time > 1);
  }
  await until(`the step ${name} has reached every function`, () => confirmations() >= before + times, 180_000);
}

test('keeps a shop in one process open, and logs that it reads new keys only at its start', async () => {
  const one = await startShop();
  try {
    process.kill(one.pid, 'SIGUSR2');
    await until('it logs so', () => one.output().includes('Not every function has new keys. All functions are in one'));
    expect((await fetch(`${one.url}/healthz`)).status).toBe(200);
  } finally {
    await one.stop();
  }
});

// promise: key-rotation
test('rotates keys under load without a failed request, a parked event or an unsettled order', async () => {
  const customers = await Promise.all([1, 2, 3].map(() => register(shop)));
  for (const customer of customers) await customer.deposit(10_000_000);
  const load = startLoad(customers);
  const [{ token: oldToken }] = customers as [Customer];
  const oldTokenIs = async () => (await call(shop, 'GET', '/v1/users/me', { token: oldToken })).status;
  const parked = () => shop.sql<{ id: string }>('select event_id as id from events.dead_letters');

  await load.continues();
  await step('accept', 2); // run again before it has reached every function
  await load.continues();
  await step('sign');
  const signed = Date.now();
  await load.continues();
  expect(await oldTokenIs()).toBe(200);
  expect(await post(shop, eventOf(userRegistered, { userId: customers[0]?.id ?? '' }))).toBe(202); // with an old key
  await until('chains signed with the old key have ended', async () => {
    const older = 'select id from events.outbox where created_at < to_timestamp($1::float8 / 1000)';
    return (await shop.sql(older, [signed])).length === 0;
  });
  await pause(3_000); // the broker's retries; in operation the pause is longer than the lifetime of a token
  expect(await parked()).toEqual([]);
  await step('retire');
  await load.continues();
  expect(await oldTokenIs()).toBe(401);

  const { orders, failed } = await load.end();
  expect(failed).toEqual([]);
  await settledAndNotified(shop, orders, signed);
  expect(await outcomes(shop, orders)).toEqual({ paid: orders.length });
  expect(await parked()).toEqual([]);
  await expectSound(shop);
  report(`${orders.length} orders and as many log-ins while the keys were rotated`);

  const stale = eventOf(userRegistered, { userId: customers[0]?.id ?? '' });
  shop.history.broken.add(stale.id);
  expect(await post(shop, stale)).toBe(202);
  await until('an event signed with the retired key is parked', async () => (await parked()).length === 1);
});

/** Customers log in, order and read the order in a loop; each request has one attempt and its own connection. */
function startLoad(customers: Customer[]) {
  const orders: string[] = [];
  const failed: string[] = [];
  let ended = false;

  async function ask<Body>(method: string, path: string, wanted: number, request: object): Promise<Body | undefined> {
    const headers = { connection: 'close', 'idempotency-key': newKey() };
    const response = await call<Body>(shop, method, path, { headers, ...request }).catch(
      (error: unknown) => error as Error,
    );
    if (!(response instanceof Error) && response.status === wanted) return response.body;
    failed.push(`${method} ${path}: ${response instanceof Error ? response.message : response.status}`);
    return undefined;
  }

  const loops = customers.map(async ({ email }) => {
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
      shop.history.accepted.add(order.id);
      await ask('GET', `/v1/orders/${order.id}`, 200, { token });
    }
  });
  return {
    /** Resolves once 15 more orders are accepted. */
    continues: () => {
      const before = orders.length;
      return until('customers continue to order', () => orders.length >= before + 15 || failed.length > 0);
    },
    end: async () => {
      ended = true;
      await Promise.all(loops);
      return { orders, failed };
    },
  };
}
