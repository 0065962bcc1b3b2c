import { beforeEach, describe, expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { call } from '#test/support/calls.ts';
import { connection, row, rows, useDatabase, waitingForLock } from '#test/support/database.ts';
import { order } from '#test/support/fixtures.ts';
import { context, useBroker } from '#test/support/context.ts';
import { handle } from './index.ts';

useDatabase();

const published: string[] = [];
beforeEach(() => {
  useBroker(async ({ id }) => void published.push(id));
  published.length = 0;
});

interface CancelOrderResponse {
  id: string;
  status: string;
  settledAt: string | null;
  code: string;
}

const userId = uuidv7();
const cancel = (orderId: unknown, as = userId) => call<CancelOrderResponse>(handle, { orderId }, { userId: as });
const read = (orderId: string) =>
  row<{ status: string; cancel_requested_at: Date | null }>(
    'select status, paid_at, cancel_requested_at, canceled_at, refunded_at from ordering.orders where id = $1',
    [orderId],
  );
const chainsOf = (orderId: string) =>
  rows<{ event: object }>('select event from events.outbox where id = $1', [`${orderId}.cancel_requested`]);
const paid = async () => {
  const orderId = await order(userId, 100);
  await rows(`update ordering.orders set status = 'paid', paid_at = clock_timestamp() where id = $1`, [orderId]);
  return orderId;
};
const rejected = async () => {
  const orderId = await order(userId, 100);
  await rows(
    `update ordering.orders set status = 'rejected', reason = 'insufficient_funds', rejected_at = clock_timestamp()
      where id = $1`,
    [orderId],
  );
  return orderId;
};

test.each([
  ['pending', () => order(userId, 100)],
  ['paid', paid],
])('cancels an order that is %s, and publishes an event that carries ids only', async (_status, placed) => {
  const orderId = await placed();
  const { status, body } = await cancel(orderId);
  expect(status).toBe(202);
  expect(body).not.toHaveProperty('isFirst');
  expect(body).toMatchObject({
    id: orderId,
    status: 'canceling',
    reason: null,
    total: 100,
    currency: 'usd',
    items: [{ sku: 'sticker', name: 'Sticker', quantity: 100, unitPrice: 1 }],
    createdAt: expect.any(String),
    settledAt: null,
  });
  expect(await read(orderId)).toMatchObject({ status: 'canceling', cancel_requested_at: expect.any(Date) });
  expect(await chainsOf(orderId)).toMatchObject([
    {
      event: {
        id: `${orderId}.cancel_requested`,
        type: 'shop.order.cancel_requested.v1',
        source: '/shop/cancel-order',
        correlationid: `${orderId}.cancel_requested`,
        partitionkey: userId,
        data: { orderId, userId },
      },
    },
  ]);
  await context.tasks.done(5_000);
  expect(published).toEqual([`${orderId}.cancel_requested`]);
});

describe('repeats', () => {
  test('cancels an order once when the request is repeated in sequence and in parallel', async () => {
    const orderId = await order(userId, 100);
    const responses = await Promise.all([1, 2, 3, 4, 5].map(() => cancel(orderId)));
    const before = await read(orderId);
    responses.push(await cancel(orderId));
    for (const response of responses) expect(response).toEqual(responses[0]);
    expect(await read(orderId)).toEqual(before);
    expect(await chainsOf(orderId)).toHaveLength(1);
    await context.tasks.done(5_000);
    expect(published).toHaveLength(1);
  });

  test.each(['canceled', 'refunded'])(
    'returns an order that is %s already as it is, and begins no second chain',
    async (status) => {
      const orderId = await paid();
      await cancel(orderId);
      await rows(
        `update ordering.orders
          set status = $2, paid_at = case $2 when 'refunded' then paid_at end,
              canceled_at = case $2 when 'canceled' then clock_timestamp() end,
              refunded_at = case $2 when 'refunded' then clock_timestamp() end
        where id = $1`,
        [orderId, status],
      );
      await rows('delete from events.outbox where id = $1', [`${orderId}.cancel_requested`]);
      expect(await cancel(orderId)).toMatchObject({ status: 202, body: { status, settledAt: expect.any(String) } });
      expect(await chainsOf(orderId)).toEqual([]);
    },
  );
});

describe('two processes at once', () => {
  test('returns an order that another process is canceling, and leaves its event to that process', async () => {
    const orderId = await order(userId, 100);
    const other = await connection();
    await other.query('begin');
    await other.query(`update ordering.orders set status = 'canceling', cancel_requested_at = now() where id = $1`, [
      orderId,
    ]);
    const response = cancel(orderId);
    await waitingForLock();
    await other.query('commit');
    expect(await response).toMatchObject({ status: 202, body: { status: 'canceling' } });
    expect(await chainsOf(orderId)).toEqual([]);
  });

  test('cancels an order after another process has marked it as paid', async () => {
    const orderId = await order(userId, 100);
    const other = await connection();
    await other.query('begin');
    await other.query(`update ordering.orders set status = 'paid', paid_at = clock_timestamp() where id = $1`, [
      orderId,
    ]);
    const response = cancel(orderId);
    await waitingForLock();
    await other.query('commit');
    expect(await response).toMatchObject({ status: 202, body: { status: 'canceling' } });
    const { paidAt, requestedAt } = await row<{ paidAt: Date; requestedAt: Date }>(
      `select paid_at as "paidAt", cancel_requested_at as "requestedAt" from ordering.orders where id = $1`,
      [orderId],
    );
    expect(requestedAt.getTime()).toBeGreaterThanOrEqual(paidAt.getTime());
  });

  test('does not cancel an order that another process is rejecting', async () => {
    const orderId = await order(userId, 100);
    const other = await connection();
    await other.query('begin');
    await other.query(
      `update ordering.orders set status = 'rejected', reason = 'x', rejected_at = now() where id = $1`,
      [orderId],
    );
    const response = cancel(orderId);
    await waitingForLock();
    await other.query('commit');
    expect(await response).toMatchObject({ status: 409, body: { code: 'order_not_cancelable' } });
    expect(await chainsOf(orderId)).toEqual([]);
  });

  test('reports an order that stays locked as a transient failure, and writes nothing', async () => {
    const orderId = await order(userId, 100);
    const other = await connection();
    await other.query('begin');
    await other.query('select 1 from ordering.orders where id = $1 for update', [orderId]);
    expect(await cancel(orderId)).toMatchObject({ status: 503, body: { code: 'unavailable' } });
    await other.query('rollback');
    expect(await read(orderId)).toMatchObject({ status: 'pending' });
    expect(await chainsOf(orderId)).toEqual([]);
  });
});

describe('refusals', () => {
  test('refuses a rejected order, and writes nothing', async () => {
    const orderId = await rejected();
    expect(await cancel(orderId)).toMatchObject({ status: 409, body: { code: 'order_not_cancelable' } });
    expect(await read(orderId)).toMatchObject({ status: 'rejected', cancel_requested_at: null });
    expect(await chainsOf(orderId)).toEqual([]);
  });

  // promise: foreign-object
  test('refuses another customer’s order like an unknown one, even while its owner cancels it', async () => {
    const orderId = await order(userId, 100);
    const unknown = await cancel(uuidv7());
    expect(unknown).toMatchObject({ status: 404, body: { code: 'not_found' } });
    const otherId = uuidv7();
    expect(await cancel(orderId, otherId)).toEqual(unknown);
    expect(await read(orderId)).toMatchObject({ status: 'pending' });
    const [own, other] = await Promise.all([cancel(orderId), cancel(orderId, otherId)]);
    expect([own.status, other]).toEqual([202, unknown]);
  });

  test('refuses a malformed id, and a caller without a token', async () => {
    expect(await cancel('desk')).toMatchObject({ status: 422, body: { code: 'invalid_body' } });
    expect(await call(handle, { orderId: await order(userId, 100) })).toMatchObject({ status: 401 });
  });

  // promise: administrator
  test('refuses an administrator', async () => {
    const orderId = await order(userId, 100);
    const response = await call(handle, { orderId }, { userId, role: 'admin' });
    expect(response).toMatchObject({ status: 403, body: { code: 'customers_only' } });
    expect(await read(orderId)).toMatchObject({ status: 'pending' });
  });

  test('refuses one cancel of a batch without holding up the others', async () => {
    const [first, last] = [await order(userId, 100), await order(userId, 100)];
    const responses = await Promise.all([cancel(first), cancel(uuidv7()), cancel(await rejected()), cancel(last)]);
    expect(responses.map(({ status }) => status)).toEqual([202, 404, 409, 202]);
  });
});
