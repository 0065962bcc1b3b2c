import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { chanceOf } from './simulation/chance.ts';
import { call } from '#test/support/api.ts';
import { adminToken, customerWith, type Customer } from '#test/support/customers.ts';
import { expectSound } from '#test/support/invariants.ts';
import { settledAndNotified, outcomes } from '#test/support/load.ts';
import { startShop, type Shop } from '#test/support/shop.ts';
import { hasTime, record, sized } from '#test/support/sizes.ts';
import { report, secondsSince } from '#test/support/until.ts';

// Money is spent once, however many orders compete for it. SEED=<n> repeats the deposits, orders and cancels of that
// seed.

jest.setTimeout(240_000);

const { SEED } = process.env;
const parallel = 200;
const modes = [
  { mode: 'all functions in one process', processes: false },
  { mode: 'each function a process of its own', processes: true },
].slice(0, sized(1, 2));

describe.each(modes)('$mode', ({ processes }) => {
  let shop: Shop;
  beforeAll(async () => {
    shop = await startShop({ processes });
  });
  afterAll(() => shop?.stop());

  // promise: concurrent-orders
  test('pays one of 200 parallel orders when the balance covers only one', async () => {
    const began = Date.now();
    const recoveriesMs: number[] = [];
    for (let round = 0; round < sized(3, 20) && hasTime(began); round += 1) {
      const customer = await customerWith(shop, 100);
      const since = Date.now();
      const placing = Promise.all(Array.from({ length: parallel }, () => customer.order('pen')));
      const lowest = lowestBalance(customer, placing);
      const ids = (await placing).map(({ id }) => id);
      const { settledMs } = await settledAndNotified(shop, ids, since);
      recoveriesMs.push(settledMs);
      expect(await outcomes(shop, ids)).toEqual({ paid: 1, rejected: parallel - 1 });
      expect(await reasons(ids)).toEqual(['insufficient_funds']);
      expect(await customer.account()).toMatchObject({ balance: 0, version: 2 });
      expect(await lowest).toBe(0);
      await expectSound(shop);
    }
    const count = recoveriesMs.length;
    record({
      fault: `${parallel} parallel orders, balance for one`,
      count,
      orders: count * parallel,
      recoveriesMs,
    });
    report(
      `${count} × ${parallel} parallel orders with a balance for one were settled after ${recoveriesMs.join(', ')} ms`,
    );
  });

  // promise: concurrent-orders
  test('loses no money and spends none twice when one account gets deposits, orders and cancels in parallel', async () => {
    const began = Date.now();
    const first = Number(SEED ?? began % 1_000_000);
    const recoveriesMs: number[] = [];
    let orders = 0;
    for (let seed = first; seed < first + sized(2, 20) && hasTime(began); seed += 1) {
      const since = Date.now();
      orders += await mix(seed).catch((cause: Error) => {
        throw new Error(`SEED=${seed} npm run test:faults -- double-spend\n${cause.message}`, { cause });
      });
      recoveriesMs.push(Date.now() - since);
    }
    record({ fault: 'parallel deposits, orders and cancels', count: recoveriesMs.length, orders, recoveriesMs });
    report(`${orders} orders among deposits and cancels, from seed ${first} on: ${secondsSince(began)}`);
  });

  /** Mixes deposits, orders and cancels on one account; returns the number of orders. */
  async function mix(seed: number): Promise<number> {
    const chance = chanceOf(seed);
    const customer = await customerWith(shop, 500);
    let deposited = 500;
    const ids: string[] = [];
    const order = async (quantity: number, cancels: number) => {
      const { id } = await customer.order('pen', quantity);
      ids.push(id);
      await Promise.all(Array.from({ length: cancels }, () => tryToCancel(customer, id)));
    };
    const requests = Array.from({ length: parallel / 2 }, async () => {
      const quantity = 1 + chance.below(4);
      if (chance.happens(0.2)) {
        deposited += quantity * 50;
        return customer.deposit(quantity * 50);
      }
      return order(quantity, chance.oneOf([0, 0, 1, 2]));
    });
    const lowest = await lowestBalance(customer, Promise.all(requests));
    await settledAndNotified(shop, ids, Date.now());
    await expectSound(shop);
    const [paid] = await shop.sql<{ total: number }>(
      `select coalesce(sum(total), 0)::bigint as total from ordering.orders where id = any ($1::uuid[]) and status = 'paid'`,
      [ids],
    );
    const { balance } = await customer.account();
    expect({ balance, isNegative: lowest < 0 }).toEqual({
      balance: deposited - (paid?.total ?? NaN),
      isNegative: false,
    });
    const ledger = await call(shop, 'GET', '/v1/admin/ledger/verify', { token: await adminToken(shop) });
    expect(ledger.body).toMatchObject({ balanced: true, differences: [] });
    return ids.length;
  }

  const reasons = async (ids: string[]) => {
    const found = await shop.sql<{ reason: string }>(
      `select distinct reason from ordering.orders where id = any ($1::uuid[]) and status = 'rejected'`,
      [ids],
    );
    return found.map(({ reason }) => reason);
  };

  /** The lowest balance that was read during some work, and after it. */
  async function lowestBalance({ id }: Customer, during: Promise<unknown>): Promise<number> {
    let running = true;
    const ended = during.finally(() => {
      running = false;
    });
    ended.catch(() => undefined); // reported by `await ended`
    let lowest = Infinity;
    do {
      const [seen] = await shop.sql<{ balance: number }>(
        'select balance::bigint from billing.accounts where user_id = $1',
        [id],
      );
      lowest = Math.min(lowest, seen?.balance ?? NaN);
    } while (running);
    await ended;
    return lowest;
  }
});

/** Cancels an order unless it was rejected (409). */
async function tryToCancel(customer: Customer, id: string): Promise<void> {
  await customer.cancel(id).catch((error: Error) => {
    if (!error.message.startsWith('cancel: 409')) throw error;
  });
}
