import { describe, expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { chargeDeclined } from '#events/charge-declined.ts';
import { chargeSucceeded } from '#events/charge-succeeded.ts';
import { deliver, eventOf } from '#local/testing/calls.ts';
import { connection, row, rows, useDatabase, waitingForLock } from '#local/testing/database.ts';
import { order } from '#local/testing/people.ts';
import { continueChain } from '#platform/event.ts';
import { orderPlaced } from '#events/order-placed.ts';
import { signed } from '#platform/signature.ts';
import { handle } from './index.ts';

useDatabase();

const userId = uuidv7();
const money = { amount: 100, currency: 'usd' };
const placed = (orderId: string) => eventOf(orderPlaced, { orderId, userId });
const succeeded = (orderId: string) => {
  const fact = chargeSucceeded.fact({ orderId, userId, accountId: uuidv7(), ...money });
  return deliver(handle, signed(continueChain(fact, placed(orderId))));
};
const declined = (orderId: string) => {
  const fact = chargeDeclined.fact({ orderId, userId, ...money, reason: 'insufficient_funds' });
  return deliver(handle, signed(continueChain(fact, placed(orderId))));
};
const read = (orderId: string) =>
  row<{ status: string; paid_at: Date | null; rejected_at: Date | null; reason: string | null }>(
    'select status, paid_at, rejected_at, reason from ordering.orders where id = $1',
    [orderId],
  );
const outboxOf = (orderId: string) => rows('select id from events.outbox where id = $1', [`${orderId}.placed`]);
const cancel = (orderId: string) =>
  rows(`update ordering.orders set status = 'canceling', cancel_requested_at = now() where id = $1`, [orderId]);

test('a charged order is paid, and its chain goes on', async () => {
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

test('a declined order is rejected with the reason', async () => {
  const orderId = await order(userId, 100);
  expect((await declined(orderId)).event?.data).toMatchObject({ orderId, reason: 'insufficient_funds' });
  expect(await read(orderId)).toMatchObject({ status: 'rejected', reason: 'insufficient_funds', paid_at: null });
});

describe('delivered again', () => {
  test('the answer is the fact that it once led to, with its time, which stays', async () => {
    const orderId = await order(userId, 100);
    const first = await succeeded(orderId);
    const before = await read(orderId);
    const again = await Promise.all([succeeded(orderId), succeeded(orderId)]);
    for (const { event } of again) {
      expect(event).toMatchObject({ id: first.event?.id, time: first.event?.time, data: first.event?.data });
    }
    expect(await read(orderId)).toEqual(before);
  });

  test('also when the paid order is being canceled', async () => {
    const orderId = await order(userId, 100);
    const first = await succeeded(orderId);
    await cancel(orderId);
    expect((await succeeded(orderId)).event).toMatchObject({ id: first.event?.id, time: first.event?.time });
    expect(await read(orderId)).toMatchObject({ status: 'canceling' });
  });
});

describe('a cancel came first', () => {
  test('the order stays as it is, nothing follows, and the chain ends', async () => {
    for (const settle of [succeeded, declined]) {
      const orderId = await order(userId, 100);
      await cancel(orderId);
      expect(await settle(orderId)).toEqual({ status: 204 });
      expect(await read(orderId)).toMatchObject({ status: 'canceling', paid_at: null, rejected_at: null });
      expect(await outboxOf(orderId)).toEqual([]);
    }
  });

  test('also when it commits while this step waits', async () => {
    const orderId = await order(userId, 100);
    const other = await connection();
    await other.query('begin');
    await other.query(`update ordering.orders set status = 'canceling', cancel_requested_at = now() where id = $1`, [
      orderId,
    ]);
    const answer = succeeded(orderId);
    await waitingForLock();
    await other.query('commit');
    expect(await answer).toEqual({ status: 204 });
  });
});

test('an order that another process is about to settle is answered with that fact', async () => {
  const orderId = await order(userId, 100);
  const other = await connection();
  await other.query('begin');
  await other.query(`update ordering.orders set status = 'paid', paid_at = '2026-01-01Z' where id = $1`, [orderId]);
  const answer = succeeded(orderId);
  await waitingForLock();
  await other.query('commit');
  expect((await answer).event).toMatchObject({ id: `${orderId}.paid`, time: '2026-01-01T00:00:00.000Z' });
});

test('an order that is not there, or was decided the other way, is refused', async () => {
  expect(await succeeded(uuidv7())).toMatchObject({ status: 400, problem: { code: 'bad_event' } });
  const orderId = await order(userId, 100);
  await succeeded(orderId);
  expect(await declined(orderId)).toMatchObject({ status: 400, problem: { code: 'bad_event' } });
  expect(await read(orderId)).toMatchObject({ status: 'paid' });
});
