import { expect, test } from '@jest/globals';
import { call, newKey } from '#test/support/api.ts';
import { adminToken, customerWith, register, type Entry, type Order, type Page } from '#test/support/customers.ts';
import { until } from '#test/support/until.ts';
import { useShop } from '#test/support/use-shop.ts';

interface TimelineEntry {
  type: string;
  correlationId: string;
}

// What a customer does, from the registration to the last mail.

const shop = useShop();

// promise: order-paid
test('an affordable order is paid and notified, and the next, unaffordable one is rejected and notified', async () => {
  const customer = await register(shop());
  expect(await customer.account()).toMatchObject({ balance: 0, version: 0 });
  await customer.deposit(100_000);

  const order = await customer.order('desk');
  expect(await customer.settled(order.id)).toMatchObject({ status: 'paid', reason: null, total: 80_000 });
  expect(await customer.account()).toMatchObject({ balance: 20_000, version: 2 });
  expect(await customer.notified(order.id)).toMatchObject([
    { template: 'order-paid', status: 'sent', to: customer.email },
  ]);

  const other = await customer.order('desk');
  expect(await customer.settled(other.id)).toMatchObject({ status: 'rejected', reason: 'insufficient_funds' });
  expect(await customer.account()).toMatchObject({ balance: 20_000, version: 2 });
  expect(await customer.notified(other.id)).toMatchObject([{ template: 'order-rejected', status: 'sent' }]);

  const entries = (await customer.get<Page<Entry>>('/v1/accounts/me/entries')).body.data;
  expect(entries).toMatchObject([
    { kind: 'charge', amount: -80_000, balance: 20_000, version: 2, orderId: order.id },
    { kind: 'deposit', amount: 100_000, balance: 100_000, version: 1, orderId: null },
  ]);
  const received = await until('four mails have arrived', async () => {
    const mails = (await shop().mails()).filter(({ to }) => to === customer.email);
    return mails.length === 4 && mails;
  });
  const textOf = (id: string) => received.find(({ subject }) => subject.includes(id))?.text;
  expect(textOf(order.id)).toContain('800.00 USD');
  expect(textOf(other.id)).toContain('You were not charged');
  for (const { id } of [order, other]) {
    const { data } = (await customer.get<{ data: TimelineEntry[] }>(`/v1/orders/${id}/timeline`)).body;
    expect(data.map(({ type }) => type)).toEqual([
      'shop.order.placed.v1',
      expect.stringMatching(/^shop\.charge\.(succeeded|declined)\.v1$/),
      expect.stringMatching(/^shop\.order\.(paid|rejected)\.v1$/),
      'notification.queued',
      'notification.sent',
    ]);
    expect(new Set(data.map(({ correlationId }) => correlationId))).toEqual(new Set([`${id}.placed`]));
  }
  const ledger = await call(shop(), 'GET', '/v1/admin/ledger/verify', { token: await adminToken(shop()) });
  expect(ledger.body).toMatchObject({ balanced: true, differences: [] });
});

// promise: exact-balance
test('an order for exactly the balance is paid', async () => {
  const customer = await customerWith(shop(), 80_000);
  const { id } = await customer.order('desk');
  expect(await customer.settled(id)).toMatchObject({ status: 'paid' });
  expect(await customer.account()).toMatchObject({ balance: 0 });
});

// promise: idempotency-key, owasp-api6
test('one key and body is one order, another body is refused, another key is another order', async () => {
  const customer = await customerWith(shop(), 1_000);
  const key = newKey();
  const same = await Promise.all(Array.from({ length: 5 }, () => customer.order('pen', 1, key)));
  expect(new Set(same.map(({ id }) => id)).size).toBe(1);
  const otherBody = await customer.post('/v1/orders', { items: [{ sku: 'pen', quantity: 2 }] }, key);
  expect(otherBody).toMatchObject({ status: 422, body: { code: 'idempotency_key_reused' } });
  const otherKey = await customer.order('pen');
  expect(otherKey.id).not.toBe(same[0]?.id);
  for (const { id } of [same[0], otherKey] as [Order, Order]) {
    expect(await customer.settled(id)).toMatchObject({ status: 'paid' });
  }
  expect(await customer.account()).toMatchObject({ balance: 800, version: 3 });
});

// promise: concurrent-orders
test('of two parallel orders, each affordable alone, one is paid', async () => {
  const customer = await customerWith(shop(), 100_000);
  const orders = await Promise.all([customer.order('desk'), customer.order('desk')]);
  const decided = await Promise.all(orders.map(({ id }) => customer.settled(id)));
  expect(decided.map(({ status }) => status).toSorted()).toEqual(['paid', 'rejected']);
  expect(await customer.account()).toMatchObject({ balance: 20_000, version: 2 });
});

// promise: concurrent-orders, owasp-api6
test('of twenty parallel orders of 100 on 1000, exactly ten are paid', async () => {
  const customer = await customerWith(shop(), 1_000);
  const orders = await Promise.all(Array.from({ length: 20 }, () => customer.order('pen')));
  const decided = await Promise.all(orders.map(({ id }) => customer.settled(id)));
  expect(decided.filter(({ status }) => status === 'paid')).toHaveLength(10);
  expect(await customer.account()).toMatchObject({ balance: 0, version: 11 });
});
