import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { newKey } from '#test/support/api.ts';
import { customersWith, customerWith } from '#test/support/customers.ts';
import { expectSound } from '#test/support/invariants.ts';
import { hurryMails, outcomes, placeOrders, settledAndNotified } from '#test/support/load.ts';
import { startPostgresProxy, type PostgresProxy } from '#test/support/postgres-proxy.ts';
import { startReplicatedPostgres, type ReplicatedPostgres } from '#test/support/replicated-postgres.ts';
import { startShop, type Shop } from '#test/support/shop.ts';
import { record, sized } from '#test/support/sizes.ts';
import { report, until } from '#test/support/until.ts';

// A primary whose commits wait for a standby, behind an address that moves with the role of the primary. The tests follow on
// one another.

jest.setTimeout(120_000);

let servers: ReplicatedPostgres;
let address: PostgresProxy;
let shop: Shop;

beforeAll(async () => {
  servers = await startReplicatedPostgres();
  address = await startPostgresProxy(portOf(servers.url()));
  shop = await startShop({ existingDatabase: address.urlOf(servers.url()) });
});
afterAll(async () => {
  await shop?.stop();
  await address?.close();
  await servers?.stop();
});

const portOf = (url: string) => Number(new URL(url).port);
const pen = { items: [{ sku: 'pen', quantity: 1 }] };

// promise: failover
test('refuses an order with 503 while connections lead to a standby, and accepts it once they lead to the primary', async () => {
  const customer = await customerWith(shop, 10_000);
  const key = newKey();
  address.lead(servers.standbyPort());
  address.cut();
  const refused = await customer.post('/v1/orders', pen, key);
  expect(refused).toMatchObject({ status: 503, body: { code: 'unavailable' } });
  expect(refused.headers.get('retry-after')).toBe('1');
  expect((await customer.get('/v1/accounts/me')).status).toBe(503); // a standby may be behind: no function reads it
  address.lead(portOf(servers.url()));
  const { id } = await customer.order('pen', 1, key);
  shop.history.accepted.add(id);
  expect(await customer.settled(id)).toMatchObject({ status: 'paid' });
  await expectSound(shop);
});

// promise: failover, lost-commit
test('refuses orders with 503 within ten seconds while no standby confirms them, and places each once afterwards', async () => {
  const customers = await customersWith(shop, 5, 10_000);
  await expectSound(shop); // nothing in flight waits for the standby
  const mails = (await shop.mails()).length;
  await servers.stopStandby();
  const began = performance.now();
  const keys = customers.map(() => newKey());
  const replies = await Promise.all(customers.map((customer, index) => customer.post('/v1/orders', pen, keys[index])));
  const waitedMs = performance.now() - began;
  expect(replies.map(({ status, headers }) => [status, headers.get('retry-after')])).toEqual(
    customers.map(() => [503, '1']),
  );
  expect(waitedMs).toBeLessThan(11_000);
  // neither published nor mailed before it is committed
  expect(
    await shop.sql('select from ordering.orders where user_id = any ($1)', [customers.map(({ id }) => id)]),
  ).toEqual([]);
  expect(await shop.mails()).toHaveLength(mails);
  await servers.startStandby();
  const orders = await Promise.all(customers.map((customer, index) => customer.order('pen', 1, keys[index])));
  const ids = orders.map(({ id }) => id);
  await settledAndNotified(shop, ids, Date.now());
  expect(await outcomes(shop, ids)).toEqual({ paid: customers.length });
  const placed = await shop.sql<{ id: string }>('select id from ordering.orders where user_id = any ($1)', [
    customers.map(({ id }) => id),
  ]);
  expect(placed.map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
  await expectSound(shop);
  report(`without a standby: 503 after ${(waitedMs / 1_000).toFixed(1)} s`);
});

// promise: failover
test('loses no accepted order and charges none twice when the primary is killed and the standby takes over', async () => {
  const customers = await customersWith(shop, 20, 10_000);
  const placing = placeOrders(customers, sized(15, 60));
  await until('a few orders are accepted', () => placing.accepted() >= 50);
  const killedAt = Date.now();
  servers.killPrimary();
  address.cut();
  await servers.promote();
  address.lead(portOf(servers.url()));
  const promotedMs = Date.now() - killedAt;
  const before = placing.accepted();
  await until('orders are accepted again', () => placing.accepted() > before);
  const acceptedMs = Date.now() - killedAt;
  const orders = await placing.done;
  shop.history.kills += 1; // a mail that was sent may not have been marked
  const { notifiedMs } = await settledAndNotified(shop, orders, killedAt);
  expect(await outcomes(shop, orders)).toEqual({ paid: orders.length });
  await hurryMails(shop, killedAt);
  await expectSound(shop);
  expect(acceptedMs - promotedMs).toBeLessThan(5_000);
  record({ fault: 'Postgres: failover', count: 1, orders: orders.length, recoveriesMs: [notifiedMs] });
  report(
    `failover: promoted after ${promotedMs} ms, an order accepted after ${acceptedMs} ms, all notified after ${notifiedMs} ms`,
  );
});
