import { describe, expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { chargeDeclined } from '#events/charge-declined.ts';
import { chargeRefunded } from '#events/charge-refunded.ts';
import { chargeSucceeded } from '#events/charge-succeeded.ts';
import { chargeVoided } from '#events/charge-voided.ts';
import { orderCancelRequested } from '#events/order-cancel-requested.ts';
import { deliver, eventOf } from '#test/support/calls.ts';
import { connection, row, rows, useDatabase, waitingForLock } from '#test/support/database.ts';
import { order } from '#test/support/fixtures.ts';
import { continueChain } from '#platform/events/event.ts';
import { orderPlaced } from '#events/order-placed.ts';
import { signed } from '#test/support/context.ts';
import { handle } from './index.ts';

useDatabase();

const userId = uuidv7();
const money = { amount: 100, currency: 'usd' };
const placed = (orderId: string) => eventOf(orderPlaced, { orderId, userId });
const succeeded = (orderId: string) => {
  const event = chargeSucceeded.create({ orderId, userId, accountId: uuidv7(), ...money });
  return deliver(handle, signed(continueChain(event, placed(orderId))));
};
const declined = (orderId: string) => {
  const event = chargeDeclined.create({ orderId, userId, ...money, reason: 'insufficient_funds' });
  return deliver(handle, signed(continueChain(event, placed(orderId))));
};
const requested = (orderId: string) => eventOf(orderCancelRequested, { orderId, userId });
const refunded = (orderId: string) => {
  const event = chargeRefunded.create({ orderId, userId, accountId: uuidv7(), ...money });
  return deliver(handle, signed(continueChain(event, requested(orderId))));
};
const voided = (orderId: string) =>
  deliver(handle, signed(continueChain(chargeVoided.create({ orderId, userId }), requested(orderId))));
const read = (orderId: string) =>
  row<{ status: string; paid_at: Date | null; rejected_at: Date | null; reason: string | null }>(
    'select status, paid_at, rejected_at, reason from ordering.orders where id = $1',
    [orderId],
  );
const outboxOf = (orderId: string) => rows('select id from events.outbox where id = $1', [`${orderId}.placed`]);
const cancel = (orderId: string) =>
  rows(`update ordering.orders set status = 'canceling', cancel_requested_at = now() where id = $1`, [orderId]);

test('marks a charged order as paid, and continues its chain', async () => {
  const orderId = await order(userId, 100);
  const { event } = await succeeded(orderId);
  expect(event).toMatchObject({
    type: 'shop.order.paid.v1',
    id: `${orderId}.paid`,
    correlationid: `${orderId}.placed`,
    causationid: `${orderId}.succeeded`,
    data: { orderId, userId, total: 100, currency: 'usd' },
  });
  expect(await read(orderId)).toMatchObject({ status: 'paid', paid_at: expect.any(Date), rejected_at: null });
  expect(await outboxOf(orderId)).toHaveLength(1);
});

// promise: order-rejected
test('rejects a declined order with the reason', async () => {
  const orderId = await order(userId, 100);
  expect((await declined(orderId)).event?.data).toMatchObject({ orderId, reason: 'insufficient_funds' });
  expect(await read(orderId)).toMatchObject({ status: 'rejected', reason: 'insufficient_funds', paid_at: null });
});

describe('repeated events', () => {
  test('get the event of the first delivery again, with its time', async () => {
    const orderId = await order(userId, 100);
    const first = await succeeded(orderId);
    const before = await read(orderId);
    const again = await Promise.all([succeeded(orderId), succeeded(orderId)]);
    for (const { event } of again) {
      expect(event).toMatchObject({ id: first.event?.id, time: first.event?.time, data: first.event?.data });
    }
    expect(await read(orderId)).toEqual(before);
  });

  test('get it also while the paid order is being canceled', async () => {
    const orderId = await order(userId, 100);
    const first = await succeeded(orderId);
    await cancel(orderId);
    expect((await succeeded(orderId)).event).toMatchObject({ id: first.event?.id, time: first.event?.time });
    expect(await read(orderId)).toMatchObject({ status: 'canceling' });
  });
});

describe('a cancel came first', () => {
  test('leaves the order as it is, and ends the chain without an event', async () => {
    for (const settle of [succeeded, declined]) {
      const orderId = await order(userId, 100);
      await cancel(orderId);
      expect(await settle(orderId)).toEqual({ status: 204 });
      expect(await read(orderId)).toMatchObject({ status: 'canceling', paid_at: null, rejected_at: null });
      expect(await outboxOf(orderId)).toEqual([]);
    }
  });

  test('leaves it also when the cancel commits while the event waits for its lock', async () => {
    const orderId = await order(userId, 100);
    const other = await connection();
    await other.query('begin');
    await other.query(`update ordering.orders set status = 'canceling', cancel_requested_at = now() where id = $1`, [
      orderId,
    ]);
    const reply = succeeded(orderId);
    await waitingForLock();
    await other.query('commit');
    expect(await reply).toEqual({ status: 204 });
  });
});

describe('a canceled order', () => {
  const reversals = [
    { what: 'refunded', reverse: refunded, time: 'refunded_at' },
    { what: 'canceled', reverse: voided, time: 'canceled_at' },
  ];
  const times = (orderId: string) =>
    row<Record<string, Date | string | null>>(
      'select status, paid_at, cancel_requested_at, refunded_at, canceled_at from ordering.orders where id = $1',
      [orderId],
    );

  test.each(reversals)('is marked as $what, and its chain continues', async ({ what, reverse, time }) => {
    const orderId = await order(userId, 100);
    await cancel(orderId);
    expect((await reverse(orderId)).event).toMatchObject({
      type: `shop.order.${what}.v1`,
      id: `${orderId}.${what}`,
      correlationid: `${orderId}.cancel_requested`,
      data: { orderId, userId, total: 100, currency: 'usd' },
    });
    expect(await times(orderId)).toMatchObject({ status: what, [time]: expect.any(Date) });
  });

  test.each(reversals)('is $what once, and a repeated event gets the same event', async ({ reverse }) => {
    const orderId = await order(userId, 100);
    await cancel(orderId);
    const first = await reverse(orderId);
    const before = await times(orderId);
    for (const { event } of await Promise.all([reverse(orderId), reverse(orderId)])) {
      expect(event).toMatchObject({ id: first.event?.id, time: first.event?.time, data: first.event?.data });
    }
    expect(await times(orderId)).toEqual(before);
  });

  // promise: charge-redelivered-after-cancel
  test('keeps the payment time of a canceled order, and replies to its charge event again', async () => {
    const orderId = await order(userId, 100);
    const paid = await succeeded(orderId);
    await cancel(orderId);
    const before = await times(orderId);
    await refunded(orderId);
    expect(await times(orderId)).toMatchObject({ status: 'refunded', paid_at: before['paid_at'] });
    expect((await succeeded(orderId)).event).toMatchObject({ id: paid.event?.id, time: paid.event?.time });
  });

  test('ends the chain of a charge event that comes after it, however late', async () => {
    for (const [settle, reverse] of [[succeeded, refunded] as const, [declined, voided] as const]) {
      const orderId = await order(userId, 100);
      await cancel(orderId);
      await reverse(orderId);
      expect(await settle(orderId)).toEqual({ status: 204 });
      expect(await times(orderId)).toMatchObject({ paid_at: null });
      expect(await outboxOf(orderId)).toEqual([]);
    }
  });

  test('gets the event of another process that is settling it', async () => {
    const orderId = await order(userId, 100);
    await cancel(orderId);
    const other = await connection();
    await other.query('begin');
    await other.query(`update ordering.orders set status = 'refunded', refunded_at = clock_timestamp() where id = $1`, [
      orderId,
    ]);
    const reply = refunded(orderId);
    await waitingForLock();
    await other.query('commit');
    const { refunded_at: at } = await times(orderId);
    expect((await reply).event).toMatchObject({ id: `${orderId}.refunded`, time: (at as Date).toISOString() });
  });

  test('is neither refunded without a cancel, nor both refunded and voided', async () => {
    const pending = await order(userId, 100);
    const paid = await order(userId, 100);
    await succeeded(paid);
    const rejected = await order(userId, 100);
    await declined(rejected);
    for (const orderId of [pending, paid, rejected, uuidv7()]) {
      for (const reverse of [refunded, voided]) {
        expect(await reverse(orderId)).toMatchObject({ status: 400, problem: { code: 'bad_event' } });
      }
    }
    const done = await order(userId, 100);
    await cancel(done);
    await voided(done);
    expect(await refunded(done)).toMatchObject({ status: 400, problem: { code: 'bad_event' } });
    expect(await times(done)).toMatchObject({ status: 'canceled', refunded_at: null });
    expect(await read(pending)).toMatchObject({ status: 'pending' });
  });
});

test('replies with the event of another process that is settling the order', async () => {
  const orderId = await order(userId, 100);
  const other = await connection();
  await other.query('begin');
  await other.query(`update ordering.orders set status = 'paid', paid_at = '2026-01-01Z' where id = $1`, [orderId]);
  const reply = succeeded(orderId);
  await waitingForLock();
  await other.query('commit');
  expect((await reply).event).toMatchObject({ id: `${orderId}.paid`, time: '2026-01-01T00:00:00.000Z' });
});

test('refuses an unknown order, and a charge event that contradicts the first one', async () => {
  expect(await succeeded(uuidv7())).toMatchObject({ status: 400, problem: { code: 'bad_event' } });
  const orderId = await order(userId, 100);
  await succeeded(orderId);
  expect(await declined(orderId)).toMatchObject({ status: 400, problem: { code: 'bad_event' } });
  expect(await read(orderId)).toMatchObject({ status: 'paid' });
});
