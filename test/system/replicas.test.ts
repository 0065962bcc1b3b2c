import { expect, jest, test } from '@jest/globals';
import { functionNames } from '#local/functions.ts';
import { customersWith } from '#test/support/customers.ts';
import { expectSound } from '#test/support/invariants.ts';
import { settledAndNotified, hurryMails, outcomes, placeOrders } from '#test/support/load.ts';
import { descendants, functionOf } from '#test/support/processes.ts';
import { startShop } from '#test/support/shop.ts';
import { until } from '#test/support/until.ts';

// Knative starts more instances of a function under load. No instance may depend on the memory of another one.

jest.setTimeout(180_000);

test('settles and notifies every order once when one of two processes of each function is killed', async () => {
  const shop = await startShop({ processes: true, replicas: 2 });
  try {
    const others = functionNames.filter((name) => name !== 'storefront');
    const running = () => {
      const names = descendants(shop.pid).map(({ pid }) => functionOf(pid));
      return others.map((name) => names.filter((one) => one === name).length);
    };
    expect(running()).toEqual(others.map(() => 2));
    // of each customer's 15 orders of 100 exactly ten can be paid
    const customers = await customersWith(shop, 20, 1_000);
    const placing = placeOrders(customers, 15);
    await until('fifty orders are accepted', () => placing.accepted() >= 50);
    others.forEach((name) => shop.kill(name));
    const killed = Date.now();
    const orders = await placing.done;
    await settledAndNotified(shop, orders, killed);
    expect(await outcomes(shop, orders)).toEqual({ paid: 200, rejected: 100 });
    await until('they were replaced', () => running().every((count) => count === 2));
    await hurryMails(shop, killed);
    await expectSound(shop);
  } finally {
    await shop.stop();
  }
});
