import { expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { useDatabase } from '#test/support/database.ts';
import { customer, order } from '#test/support/fixtures.ts';
import { useStorefront } from '#test/support/storefront.ts';

useDatabase();
const { ask } = useStorefront();

// promise: foreign-object, owasp-api1
test('returns the same 404 for another customer’s order as for one that does not exist', async () => {
  const [ann, bob] = await Promise.all([customer({ balance: 10 }), customer({ balance: 10 })]);
  const orderId = await order(ann.userId, 5);
  const unknown = await ask(`/v1/orders/${uuidv7()}`, { as: bob.userId });
  for (const path of [`/v1/orders/${orderId}`, `/v1/orders/not-an-id`]) {
    expect(await ask(path, { as: bob.userId })).toMatchObject({ status: 404, body: unknown.body });
  }
  expect((await ask(`/v1/orders/${orderId}/timeline`, { as: bob.userId })).body).toEqual(unknown.body);
  expect((await ask('/v1/orders', { as: bob.userId })).body.data).toEqual([]);
  expect((await ask(`/v1/notifications?orderId=${orderId}`, { as: bob.userId })).body.data).toEqual([]);
  expect((await ask(`/v1/orders/${orderId}`, { as: ann.userId })).body).toMatchObject({ id: orderId, total: 5 });
});

test('lists the movements of an account, and orders by status', async () => {
  const { userId } = await customer({ balance: 10 });
  expect((await ask('/v1/accounts/me/entries', { as: userId })).body.data).toMatchObject([
    { kind: 'deposit', amount: 10, balance: 10, version: 1, orderId: null },
  ]);
  await order(userId, 1);
  expect((await ask('/v1/orders?status=paid', { as: userId })).body.data).toEqual([]);
  expect((await ask('/v1/orders?status=pending', { as: userId })).body.data).toHaveLength(1);
});

test('lists the catalogue without a token', async () => {
  const { body } = await ask('/v1/products');
  expect(body.data).toEqual(
    expect.arrayContaining([
      { sku: 'desk', name: 'Desk', price: 80_000, currency: 'usd' },
      { sku: 'sticker', name: 'Sticker', price: 1, currency: 'usd' },
    ]),
  );
});
