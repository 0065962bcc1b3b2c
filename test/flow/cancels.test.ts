import { expect, test } from '@jest/globals';
import { chargeSucceeded } from '#events/charge-succeeded.ts';
import { orderCancelRequested } from '#events/order-cancel-requested.ts';
import { orderPlaced } from '#events/order-placed.ts';
import { continueChain } from '#platform/events/event.ts';
import { signed } from '#test/support/context.ts';
import { call } from '#test/support/api.ts';
import { customersWith, customerWith, newCustomers, openAccounts } from '#test/support/customers.ts';
import type { Customer, Entry, Order, Page } from '#test/support/customers.ts';
import { eventOf, post } from '#test/support/events.ts';
import { outcomes, placeAndCancel } from '#test/support/load.ts';
import { report, until } from '#test/support/until.ts';
import { useShop } from '#test/support/use-shop.ts';

interface TimelineEntry {
  type: string;
  correlationId: string;
}

// What a cancel does at each stage of an order.

const shop = useShop();

const cancelResponse = (customer: Customer, orderId: string) =>
  call<Order & { code: string }>(shop(), 'POST', `/v1/orders/${orderId}/cancel`, { token: customer.token });
const entriesOf = async (customer: Customer) => (await customer.get<Page<Entry>>('/v1/accounts/me/entries')).body.data;
const timelineOf = async (customer: Customer, orderId: string) =>
  (await customer.get<{ data: TimelineEntry[] }>(`/v1/orders/${orderId}/timeline`)).body.data;
const templatesOf = async (customer: Customer, orderId: string, count: number) =>
  until(`${count} notifications of order ${orderId}`, async () => {
    const sent = await customer.notified(orderId);
    return sent.length === count && sent.map(({ template }) => template).toSorted();
  });

// promise: cancel-paid-order
test('a paid order is canceled: the money is refunded, the timeline shows both chains, and both mails arrive', async () => {
  const customer = await customerWith(shop(), 100_000);
  const { id } = await customer.order('desk');
  expect(await customer.settled(id)).toMatchObject({ status: 'paid' });
  await customer.notified(id);

  expect(await customer.cancel(id)).toMatchObject({ id, status: 'canceling', total: 80_000, settledAt: null });
  expect(await customer.settled(id)).toMatchObject({ status: 'refunded', settledAt: expect.any(String) });
  expect(await customer.account()).toMatchObject({ balance: 100_000, version: 3 });
  expect(await entriesOf(customer)).toMatchObject([
    { kind: 'refund', amount: 80_000, balance: 100_000, orderId: id },
    { kind: 'charge', amount: -80_000, balance: 20_000, orderId: id },
    { kind: 'deposit', amount: 100_000, balance: 100_000, orderId: null },
  ]);

  expect(await templatesOf(customer, id, 2)).toEqual(['order-paid', 'order-refunded']);
  const mail = await until('the mail has arrived', async () =>
    (await shop().mails()).find(({ to, subject }) => to === customer.email && subject.includes('refunded')),
  );
  expect(mail.subject).toContain(id);
  expect(mail.text).toContain('We have returned 800.00 USD');
  const timeline = await timelineOf(customer, id);
  const chain = (name: string) =>
    timeline.filter(({ correlationId }) => correlationId === `${id}.${name}`).map(({ type }) => type);
  expect(chain('placed')).toEqual([
    'shop.order.placed.v1',
    'shop.charge.succeeded.v1',
    'shop.order.paid.v1',
    'notification.queued',
    'notification.sent',
  ]);
  expect(chain('cancel_requested')).toEqual([
    'shop.order.cancel_requested.v1',
    'shop.charge.refunded.v1',
    'shop.order.refunded.v1',
    'notification.queued',
    'notification.sent',
  ]);
  expect(timeline).toHaveLength(10);
});

// promise: upper-case-ids
test('an order whose id arrives in capitals is the same order, canceled, refunded and notified once', async () => {
  const customer = await customerWith(shop(), 100_000);
  const { id } = await customer.order('desk');
  await customer.settled(id);
  await customer.notified(id);
  const capitals = id.toUpperCase();

  expect(await customer.cancel(capitals)).toMatchObject({ id, status: 'canceling' });
  expect(await customer.settled(capitals)).toMatchObject({ id, status: 'refunded' });
  expect(await customer.account()).toMatchObject({ balance: 100_000, version: 3 });
  expect(await templatesOf(customer, capitals, 2)).toEqual(['order-paid', 'order-refunded']);
  expect(await timelineOf(customer, capitals)).toEqual(await timelineOf(customer, id));
  expect(await timelineOf(customer, capitals)).toHaveLength(10);
  expect(await shop().sql('select id from events.dead_letters where correlation_id ilike $1', [`${id}%`])).toEqual([]);
});

test('an order canceled at once ends with the balance as before, and with mails that say so', async () => {
  const customer = await customerWith(shop(), 100_000);
  const { id } = await customer.order('desk');
  await customer.cancel(id);
  const { status } = await customer.settled(id);
  expect(await customer.account()).toMatchObject({ balance: 100_000 });
  const types = (await timelineOf(customer, id)).map(({ type }) => type);
  const wasPaid = types.includes('shop.order.paid.v1');
  const kinds = (await entriesOf(customer)).map(({ kind }) => kind);
  if (status === 'refunded') expect(kinds).toEqual(['refund', 'charge', 'deposit']);
  else expect([status, kinds]).toEqual(['canceled', ['deposit']]);
  const last = status === 'refunded' ? 'order-refunded' : 'order-canceled';
  const templates = [...(wasPaid ? ['order-paid'] : []), last].toSorted();
  expect(await templatesOf(customer, id, templates.length)).toEqual(templates);
});

// promise: cancel-before-charge
test('an order canceled before it could be charged is never charged, however late its event arrives', async () => {
  const [customer] = (await newCustomers(shop(), 1)) as [Customer];
  const { id } = await customer.order('desk'); // has no account to charge yet
  await customer.cancel(id);
  expect(await customer.settled(id)).toMatchObject({ status: 'canceled' });
  await openAccounts(shop(), [customer], 80_000);
  expect(await post(shop(), eventOf(orderPlaced, { orderId: id, userId: customer.id }))).toBe(202);
  await until('the order’s own chain has ended', async () => {
    const chains = await shop().sql('select id from events.outbox where id = $1', [`${id}.placed`]);
    return chains.length === 0;
  });
  expect(await customer.account()).toMatchObject({ balance: 80_000, version: 1 });
  expect(await templatesOf(customer, id, 1)).toEqual(['order-canceled']);
  const mail = (await shop().mails()).find(({ subject }) => subject.includes(id));
  expect(mail?.text).toContain('You were not charged');
});

// promise: repeated-cancel
test('an order that is canceled again and again, during the cancel and after it, is canceled once', async () => {
  const customer = await customerWith(shop(), 1_000);
  const { id } = await customer.order('pen');
  expect(await customer.settled(id)).toMatchObject({ status: 'paid' });
  const replies = await Promise.all([1, 2, 3, 4, 5].map(() => cancelResponse(customer, id)));
  for (const reply of replies) {
    expect(reply).toMatchObject({ status: 202, body: { id, total: 100 } });
    expect(['canceling', 'refunded']).toContain(reply.body.status);
  }
  const done = await customer.settled(id);
  expect(await cancelResponse(customer, id)).toMatchObject({ status: 202, body: done });
  expect(await customer.account()).toMatchObject({ balance: 1_000, version: 3 });
  expect(await templatesOf(customer, id, 2)).toEqual(['order-paid', 'order-refunded']);
});

test('50 orders canceled while they are being charged leave every balance as before', async () => {
  const customers = await customersWith(shop(), 5, 1_000);
  const orders = await placeAndCancel(customers, 10);
  const { canceled, refunded } = await until('every cancel has ended', async () => {
    const { canceled = 0, refunded = 0 } = await outcomes(shop(), orders);
    return canceled + refunded === 50 && { canceled, refunded };
  });
  report(`of 50 orders ${canceled} were canceled before they were charged, ${refunded} were refunded`);
  for (const customer of customers) expect(await customer.account()).toMatchObject({ balance: 1_000 });
});

// promise: charge-redelivered-after-cancel
test('the events of a canceled order, delivered again, lead to one charge, one refund and one mail each', async () => {
  const customer = await customerWith(shop(), 1_000);
  const { id: orderId } = await customer.order('pen');
  await customer.settled(orderId);
  await customer.cancel(orderId);
  await customer.settled(orderId);
  const placed = eventOf(orderPlaced, { orderId, userId: customer.id });
  const accountId = (await customer.account()).id;
  const charged = chargeSucceeded.create({ orderId, userId: customer.id, accountId, amount: 100, currency: 'usd' });
  const requested = eventOf(orderCancelRequested, { orderId, userId: customer.id });
  for (const event of [placed, signed(continueChain(charged, placed)), requested]) {
    expect(await Promise.all([1, 2, 3].map(() => post(shop(), event)))).toEqual([202, 202, 202]);
  }
  expect(await customer.account()).toMatchObject({ balance: 1_000, version: 3 });
  expect(await customer.settled(orderId)).toMatchObject({ status: 'refunded' });
  expect(await templatesOf(customer, orderId, 2)).toEqual(['order-paid', 'order-refunded']);
});

// promise: repeated-cancel, owasp-api1
test('a rejected order cannot be canceled, and another customer’s is not found', async () => {
  const [ann, bob] = (await customersWith(shop(), 2, 100)) as [Customer, Customer];
  const rejected = await ann.order('desk');
  expect(await ann.settled(rejected.id)).toMatchObject({ status: 'rejected' });
  expect(await cancelResponse(ann, rejected.id)).toMatchObject({
    status: 409,
    body: { code: 'order_not_cancelable' },
  });
  const paid = await ann.order('pen');
  expect(await ann.settled(paid.id)).toMatchObject({ status: 'paid' });
  const foreign = await cancelResponse(bob, paid.id);
  expect(foreign).toMatchObject({ status: 404, body: { code: 'not_found' } });
  for (const unknown of [bob.id, 'desk']) expect((await cancelResponse(bob, unknown)).body).toEqual(foreign.body);
  for (const { id, status } of [
    { ...rejected, status: 'rejected' },
    { ...paid, status: 'paid' },
  ]) {
    expect((await ann.get<Order>(`/v1/orders/${id}`)).body).toMatchObject({ status });
  }
  expect(await ann.account()).toMatchObject({ balance: 0, version: 2 });
});
