import { expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { orderPlaced } from '#events/order-placed.ts';
import { call } from '#test/support/api.ts';
import { adminToken, customerWith, type Customer } from '#test/support/customers.ts';
import { deadLetters, eventOf, orderWithoutEvent, post, type DeadLetter } from '#test/support/events.ts';
import { until } from '#test/support/until.ts';
import { useShop } from '#test/support/use-shop.ts';

interface Progress {
  startedAt: string;
  total: number;
  waiting: number;
  replaying: number;
  done: number;
  parked: number;
}

// Refused events: listed with their reason, and replayed with one effect once the cause is fixed.

const shop = useShop();

let token: string | undefined;
const admin = async () => (token ??= await adminToken(shop()));
const parked = (eventId: string, times: number) =>
  until(`${eventId} is parked, ${times} times`, async () =>
    (await deadLetters(shop(), await admin())).find(
      (deadLetter) => deadLetter.eventId === eventId && deadLetter.status === 'parked' && deadLetter.times === times,
    ),
  );
const asAdmin = async <Body>(method: string, path: string, body?: unknown) =>
  call<Body>(shop(), method, `/v1/admin/dead-letters${path}`, { token: await admin(), body });
const replay = async ({ id }: DeadLetter) => (await asAdmin<DeadLetter>('POST', `/${id}/replay`)).status;
const done = ({ id }: DeadLetter) =>
  until(`dead letter ${id} is done`, async () => (await asAdmin<DeadLetter>('GET', `/${id}`)).body.status === 'done');
const progress = async () => (await asAdmin<Progress>('GET', '/replay')).body;

/** Posts an order.placed without its order, which charge-account refuses. */
async function refused({ id: userId }: Customer): Promise<{ orderId: string; deadLetter: DeadLetter }> {
  const orderId = uuidv7();
  const event = eventOf(orderPlaced, { orderId, userId });
  shop().history.broken.add(event.id);
  expect(await post(shop(), event)).toBe(202);
  return { orderId, deadLetter: await parked(event.id, 1) };
}

// promise: dead-letter
test('a refused event is listed with its reason, comes back while its cause lasts, and has its effect once afterwards', async () => {
  const customer = await customerWith(shop(), 1_000);
  const { orderId, deadLetter } = await refused(customer);
  expect(deadLetter).toMatchObject({ verified: true, reason: 'refused', detail: expect.stringContaining(orderId) });
  expect(await replay(deadLetter)).toBe(202);
  await parked(deadLetter.eventId, 2);
  expect(await customer.account()).toMatchObject({ balance: 1_000, version: 1 });

  await orderWithoutEvent(shop(), customer, 100, orderId);
  expect(await Promise.all([replay(deadLetter), replay(deadLetter)])).toEqual([202, 202]);
  expect(await customer.settled(orderId)).toMatchObject({ status: 'paid' });
  await done(deadLetter);
  expect(await replay(deadLetter)).toBe(202);
  await done(deadLetter);
  expect(await customer.account()).toMatchObject({ balance: 900, version: 2 });
  expect(await customer.notified(orderId)).toHaveLength(1);
});

test('a replayed event from the middle of a chain continues the chain from there', async () => {
  const customer = await customerWith(shop(), 1_000);
  await until(
    'both mails are sent',
    async () => (await shop().mails()).filter(({ to }) => to === customer.email).length === 2,
  );
  const [user] = await shop().sql('delete from users.users where id = $1 returning *', [customer.id]);
  const { id: orderId } = await customer.order('pen');
  shop().history.broken.add(`${orderId}.paid`);
  const deadLetter = await parked(`${orderId}.paid`, 1);
  expect(deadLetter).toMatchObject({ type: 'shop.order.paid.v1', detail: expect.stringContaining(customer.id) });

  await shop().sql('insert into users.users select * from json_populate_record(null::users.users, $1)', [
    JSON.stringify(user),
  ]);
  expect(await replay(deadLetter)).toBe(202);
  expect(await customer.notified(orderId)).toMatchObject([{ template: 'order-paid', status: 'sent' }]);
  await done(deadLetter);
  expect(await customer.account()).toMatchObject({ balance: 900, version: 2 });
});

// promise: unsigned-event
test('an unsigned event has no effect when it is replayed', async () => {
  const customer = await customerWith(shop(), 1_000);
  const orderId = await orderWithoutEvent(shop(), customer, 100);
  const event = eventOf(orderPlaced, { orderId, userId: customer.id });
  const { signature: _, ...unsigned } = event as typeof event & { signature: string };
  shop().history.broken.add(event.id);
  expect(await post(shop(), unsigned)).toBe(202);
  const deadLetter = await parked(event.id, 1);
  expect(deadLetter).toMatchObject({ verified: false, reason: 'unverified' });
  expect(await replay(deadLetter)).toBe(202);
  expect(await parked(event.id, 2)).toMatchObject({ verified: false });
  expect(await shop().sql('select id from events.outbox where id = $1', [event.id])).toEqual([]);
  expect(await customer.account()).toMatchObject({ balance: 1_000, version: 1 });
  expect((await customer.get(`/v1/orders/${orderId}`)).body).toMatchObject({ status: 'pending' });

  expect(await post(shop(), event)).toBe(202);
  expect(await customer.settled(orderId)).toMatchObject({ status: 'paid' });
});

// promise: bulk-replay
test('a bulk replay sends the parked events at the requested rate, each with one effect', async () => {
  const customer = await customerWith(shop(), 1_000);
  const all: { orderId: string; deadLetter: DeadLetter }[] = [];
  for (let count = 0; count < 6; count += 1) all.push(await refused(customer));
  for (const { orderId } of all) await orderWithoutEvent(shop(), customer, 100, orderId);
  const began = await asAdmin<Progress>('POST', '/replay', { type: orderPlaced.type, rate: 4 });
  expect(began.status).toBe(202);
  expect(began.body.total).toBeGreaterThanOrEqual(6);
  const again = await asAdmin<Progress>('POST', '/replay', { type: orderPlaced.type, rate: 4 });
  expect(again.body).toMatchObject({ startedAt: began.body.startedAt, total: began.body.total });
  for (const { orderId, deadLetter } of all) {
    expect(await customer.settled(orderId)).toMatchObject({ status: 'paid' });
    await done(deadLetter);
  }
  expect(await customer.account()).toMatchObject({ balance: 400, version: 7 });
  expect(await progress()).toMatchObject({ total: began.body.total, waiting: 0 });
  // the sixth is due 1.25 s after the start, and no earlier
  const [last] = await shop().sql<{ at: Date }>('select decided_at as at from billing.charges where order_id = $1', [
    all.at(-1)?.orderId,
  ]);
  expect(last?.at.getTime()).toBeGreaterThanOrEqual(new Date(began.body.startedAt).getTime() + 1_250);
});

// promise: bulk-replay
test('a bulk replay that is stopped leaves parked what was not yet due', async () => {
  const customer = await customerWith(shop(), 1_000);
  const all: DeadLetter[] = [];
  for (let count = 0; count < 5; count += 1) all.push((await refused(customer)).deadLetter);
  const began = await asAdmin<Progress>('POST', '/replay', { type: orderPlaced.type, rate: 1 });
  expect(began.body.waiting).toBeGreaterThanOrEqual(4);
  const stopped = await asAdmin<Progress>('DELETE', '/replay');
  expect(stopped).toMatchObject({ status: 200, body: { startedAt: began.body.startedAt } });
  expect(stopped.body.total).toBeLessThan(began.body.total);
  // the newest come last, and are no longer replayed
  expect(await parked(all.at(-1)?.eventId ?? '', 1)).toMatchObject({ status: 'parked' });
  await until('the replayed events have come back', async () => {
    const { waiting, replaying } = await progress();
    return waiting === 0 && replaying === 0;
  });
});

// promise: owasp-api5
test('customers cannot read or replay dead letters', async () => {
  const customer = await customerWith(shop(), 1_000);
  const { deadLetter } = await refused(customer);
  const refusal = { status: 403, body: { code: 'forbidden' } };
  expect(await customer.post(`/v1/admin/dead-letters/${deadLetter.id}/replay`, {})).toMatchObject(refusal);
  expect(await customer.post('/v1/admin/dead-letters/replay', {})).toMatchObject(refusal);
  expect(await call(shop(), 'POST', `/v1/admin/dead-letters/${deadLetter.id}/replay`)).toMatchObject({ status: 401 });
  expect(await parked(deadLetter.eventId, 1)).toMatchObject({ id: deadLetter.id });
});
