import { expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { chargeSucceeded } from '#events/charge-succeeded.ts';
import { orderPlaced } from '#events/order-placed.ts';
import { userRegistered } from '#events/user-registered.ts';
import { call } from '#test/support/api.ts';
import { adminToken, customerWith, newCustomers, openAccounts, type Customer } from '#test/support/customers.ts';
import { deadLetters, eventOf, orderWithoutEvent, post, postRaw, resigned } from '#test/support/events.ts';
import { until } from '#test/support/until.ts';
import { useShop } from '#test/support/use-shop.ts';

// Events that the broker delivers repeatedly, early, broken or forged.

const shop = useShop();

const parked = async (eventId: string) => {
  const token = await adminToken(shop());
  return until(`${eventId} is parked`, async () =>
    (await deadLetters(shop(), token)).find((deadLetter) => deadLetter.eventId === eventId),
  );
};
const statusOf = async (orderId: string) =>
  (await shop().sql<{ status: string }>('select status from ordering.orders where id = $1', [orderId]))[0]?.status;
const newCustomer = async () => (await newCustomers(shop(), 1))[0] as Customer;
const published = (orderId: string) =>
  until(`order.placed of ${orderId} was published again`, async () => {
    const chain = await shop().sql<{ attempts: number }>('select attempts from events.outbox where id = $1', [
      `${orderId}.placed`,
    ]);
    return (chain[0]?.attempts ?? 0) > 0;
  });

// promise: redelivery
test('an order is charged and notified once when its order.placed is delivered five times more', async () => {
  const customer = await customerWith(shop(), 1_000);
  const { id: orderId } = await customer.order('pen');
  const event = eventOf(orderPlaced, { orderId, userId: customer.id });
  expect(await Promise.all([1, 2, 3, 4].map(() => post(shop(), event)))).toEqual([202, 202, 202, 202]);
  expect(await customer.settled(orderId)).toMatchObject({ status: 'paid' });
  expect(await post(shop(), event)).toBe(202);
  expect(await customer.account()).toMatchObject({ balance: 900, version: 2 });
  expect(await customer.notified(orderId)).toHaveLength(1);
});

// promise: redelivery
test('user.registered, delivered again after a deposit, leaves the account unchanged', async () => {
  const customer = await customerWith(shop(), 1_000);
  const before = await customer.account();
  expect(await post(shop(), eventOf(userRegistered, { userId: customer.id }))).toBe(202);
  expect(await customer.account()).toEqual(before);
});

// promise: order-before-account
test('an order placed before its account is open waits for it and is then paid', async () => {
  const customer = await newCustomer();
  const { id } = await customer.order('desk');
  await published(id);
  expect(await statusOf(id)).toBe('pending');
  await openAccounts(shop(), [customer], 80_000);
  expect(await customer.settled(id)).toMatchObject({ status: 'paid' });
});

// promise: order-before-account
test('an order whose account is not open after ten minutes is rejected', async () => {
  const customer = await newCustomer();
  const { id } = await customer.order('pen');
  await published(id);
  await shop().sql(`update ordering.orders set created_at = created_at - interval '11 minutes' where id = $1`, [id]);
  expect(await customer.settled(id)).toMatchObject({ status: 'rejected', reason: 'account_not_found' });
  expect(await customer.notified(id)).toMatchObject([{ template: 'order-rejected' }]);
});

// promise: unreadable-events
test('a signed event with unreadable data is parked at once, with its error, and its chain ends', async () => {
  const customer = await customerWith(shop(), 1_000);
  const orderId = await orderWithoutEvent(shop(), customer, 100);
  const event = eventOf(orderPlaced, { orderId, userId: customer.id });
  const broken = resigned(event, { data: { orderId: 'none', userId: customer.id } });
  shop().history.broken.add(broken.id);
  await shop().sql('insert into events.outbox (id, event) values ($1, $2)', [broken.id, JSON.stringify(broken)]);
  expect(await post(shop(), broken)).toBe(202);
  expect(await parked(broken.id)).toMatchObject({
    status: 'parked',
    verified: true,
    reason: 'refused',
    type: event.type,
  });
  expect((await parked(broken.id)).detail).toContain('orderId');
  expect(await shop().sql('select id from events.outbox where id = $1', [broken.id])).toEqual([]);

  expect(await post(shop(), event)).toBe(202); // the same event, intact
  expect(await customer.settled(orderId)).toMatchObject({ status: 'paid' });
});

// promise: unreadable-events
test('a body that is not JSON is parked as unverified', async () => {
  const customer = await newCustomer();
  const event = eventOf(orderPlaced, { orderId: customer.id, userId: customer.id });
  shop().history.broken.add(event.id);
  const attributes = Object.entries(event).filter(([name]) => name !== 'data' && name !== 'datacontenttype');
  const headers = Object.fromEntries(attributes.map(([name, value]) => [`ce-${name}`, String(value)]));
  expect(await postRaw(shop(), { ...headers, 'content-type': 'application/json' }, '{"orderId": ')).toBe(202);
  expect(await parked(event.id)).toMatchObject({ verified: false, reason: 'unverified' });
});

// promise: external-events
test('an event from outside is stored and replayed byte for byte: %-encoded headers, binary data, no content type', async () => {
  const id = uuidv7();
  shop().history.broken.add(id);
  const given = {
    specversion: '1.0',
    id,
    source: '/outside',
    type: orderPlaced.type,
    subject: '注文-7',
    data_base64: 'AP+AQQ==',
  };
  expect(await postRaw(shop(), { 'content-type': 'application/cloudevents+json' }, JSON.stringify(given))).toBe(202);
  const deadLetter = await parked(id);
  expect(deadLetter).toMatchObject({ verified: false, times: 1 });
  const stored = () =>
    shop().sql<{ event: object; body: Buffer; times: number }>(
      'select event, body, times from events.dead_letters where event_id = $1',
      [id],
    );
  expect(await stored()).toMatchObject([{ event: given, body: Buffer.from('AP+AQQ==', 'base64') }]);
  expect((await stored())[0]?.event).not.toHaveProperty('datacontenttype');
  const token = await adminToken(shop());
  const replayed = await call(shop(), 'POST', `/v1/admin/dead-letters/${deadLetter.id}/replay`, { token });
  expect(replayed.status).toBe(202);
  await until('it came back unchanged', async () => (await stored())[0]?.times === 2);
  expect(await stored()).toMatchObject([{ event: given, body: Buffer.from('AP+AQQ==', 'base64') }]);
});

// promise: unreadable-events
test('an event of an unknown type is ignored', async () => {
  const event = eventOf(userRegistered, userRegistered.sample);
  const before = await shop().sql('select id from events.dead_letters');
  expect(await post(shop(), resigned(event, { type: 'shop.user.promoted.v1' }))).toBe(202);
  expect(await post(shop(), resigned(event, { type: 'shop.user.registered.v2' }))).toBe(202);
  expect(await shop().sql('select id from events.dead_letters')).toEqual(before);
});

// promise: unreadable-events
test('additional fields and attributes are accepted', async () => {
  const customer = await newCustomer();
  const event = eventOf(userRegistered, { userId: customer.id });
  const added = resigned(event, { data: { userId: customer.id, channel: 'web' }, region: 'eu' });
  expect(await post(shop(), added)).toBe(202);
  expect(await until('the account is open', async () => (await customer.account()).balance === 0)).toBe(true);
});

// promise: owasp-api10
test('an order.placed that is unsigned, altered or signed with an unknown key is parked and charges no account', async () => {
  const [customer, attacker] = [await customerWith(shop(), 1_000), await customerWith(shop(), 1_000)];
  const orderId = await orderWithoutEvent(shop(), customer, 100);
  const event = eventOf(orderPlaced, { orderId, userId: customer.id });
  const { signature: _, ...unsigned } = event as typeof event & { signature: string };
  const altered = { ...eventOf(orderPlaced, { orderId, userId: attacker.id }), data: event.data };
  const forged = { ...event, signature: 'unknown.MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI' };
  shop().history.broken.add(event.id);
  for (const bad of [unsigned, altered, forged]) expect(await post(shop(), bad)).toBe(202);
  expect(await parked(event.id)).toMatchObject({ verified: false, reason: 'unverified', times: 3 });
  expect(await statusOf(orderId)).toBe('pending');
  expect(await customer.account()).toMatchObject({ balance: 1_000, version: 1 });

  expect(await post(shop(), event)).toBe(202); // the genuine event is not held up
  expect(await customer.settled(orderId)).toMatchObject({ status: 'paid' });
});

// promise: owasp-api10
test('a forged charge.succeeded does not pay for an order', async () => {
  const customer = await newCustomer();
  const { id: orderId } = await customer.order('desk');
  const account = { accountId: customer.id, amount: 80_000, currency: 'usd' };
  const event = eventOf(chargeSucceeded, { orderId, userId: customer.id, ...account });
  const forged = { ...event, correlationid: `${orderId}.placed`, signature: 'unknown.none' };
  shop().history.broken.add(event.id);
  expect(await post(shop(), forged)).toBe(202);
  await parked(event.id);
  await published(orderId); // nor did it end the order's own chain
  expect(await statusOf(orderId)).toBe('pending');
  await openAccounts(shop(), [customer], 0);
  expect(await customer.settled(orderId)).toMatchObject({ status: 'rejected', reason: 'insufficient_funds' });
});
