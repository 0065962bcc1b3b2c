import { describe, expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { row, rows, useDatabase } from '#test/support/database.ts';
import { customer, order } from '#test/support/fixtures.ts';
import { useStorefront } from '#test/support/storefront.ts';

useDatabase();
const { ask } = useStorefront();

test('shows the history of an order in order, under one correlation id', async () => {
  const { userId, accountId, email } = await customer({ balance: 10 });
  const orderId = await order(userId, 5);
  await rows(
    `insert into billing.charges (order_id, user_id, account_id, amount, currency, outcome)
     values ($1, $2, $3, 5, 'usd', 'succeeded')`,
    [orderId, userId, accountId],
  );
  await rows(`update ordering.orders set status = 'paid', paid_at = clock_timestamp() where id = $1`, [orderId]);
  await rows(
    `insert into notifying.notifications
            (id, event_id, user_id, order_id, template, recipient, subject, detail, correlation_id, status, due_at, sent_at)
     values ($1, $2, $3, $4, 'order-paid', $5, '', '{}', $6, 'sent', null, clock_timestamp() + interval '1 ms')`,
    [uuidv7(), `${orderId}.paid`, userId, orderId, email, `${orderId}.placed`],
  );
  const { body } = await ask(`/v1/orders/${orderId}/timeline`, { as: userId });
  expect(body.data.map(({ type, function: by }) => [type, by])).toEqual([
    ['shop.order.placed.v1', 'create-order'],
    ['shop.charge.succeeded.v1', 'charge-account'],
    ['shop.order.paid.v1', 'settle-order'],
    ['notification.queued', 'send-notification'],
    ['notification.sent', 'send-notification'],
  ]);
  expect(new Set(body.data.map(({ correlationId }) => correlationId))).toEqual(new Set([`${orderId}.placed`]));
  expect(await row('select count(*) as orders from ordering.orders where user_id = $1', [userId])).toEqual({
    orders: 1,
  });
});

describe('a canceled order', () => {
  const place = async (changes: string) => {
    const { userId, accountId } = await customer({ balance: 10 });
    const orderId = await order(userId, 5);
    await rows(
      `update ordering.orders
          set created_at = '2026-01-01T10:00Z', cancel_requested_at = '2026-01-01T10:02Z', ${changes}
        where id = $1`,
      [orderId],
    );
    const decide = (outcome: string, reason: string | null, at: string) =>
      rows(
        `insert into billing.charges (order_id, user_id, account_id, amount, currency, outcome, reason, decided_at)
         values ($1, $2, $3, 5, 'usd', $4, $5, $6)`,
        [orderId, userId, accountId, outcome, reason, at],
      );
    const read = async () => (await ask(`/v1/orders/${orderId}`, { as: userId })).body;
    const history = async () => {
      const { data } = (await ask(`/v1/orders/${orderId}/timeline`, { as: userId })).body;
      return data.map(({ type, function: by, correlationId }) => [type, by, String(correlationId).split('.')[1]]);
    };
    return { orderId, accountId, decide, read, history };
  };
  const beginning = ['shop.order.placed.v1', 'create-order', 'placed'];
  const requested = ['shop.order.cancel_requested.v1', 'cancel-order', 'cancel_requested'];

  test('is not settled while its cancel is in flight, although it was paid', async () => {
    const { read } = await place(`status = 'canceling', paid_at = '2026-01-01T10:01Z'`);
    expect(await read()).toMatchObject({ status: 'canceling', settledAt: null });
  });

  test('that was paid shows both chains, is settled by its refund and lists the refund as a movement', async () => {
    const { orderId, accountId, decide, read, history } = await place(
      `status = 'refunded', paid_at = '2026-01-01T10:01Z', refunded_at = '2026-01-01T10:04Z'`,
    );
    await decide('succeeded', null, '2026-01-01T10:00:30Z');
    await rows(
      `insert into billing.transfers (id, kind, debit_account_id, credit_account_id, amount, currency, order_id,
                                      account_version, balance_after, created_at)
       values ($1, 'refund', '00000000-0000-0000-0000-000000000002', $2, 5, 'usd', $3, 2, 10, '2026-01-01T10:03Z')`,
      [uuidv7(), accountId, orderId],
    );
    expect(await read()).toMatchObject({ status: 'refunded', settledAt: '2026-01-01T10:04:00.000Z' });
    expect(await history()).toEqual([
      beginning,
      ['shop.charge.succeeded.v1', 'charge-account', 'placed'],
      ['shop.order.paid.v1', 'settle-order', 'placed'],
      requested,
      ['shop.charge.refunded.v1', 'refund-charge', 'cancel_requested'],
      ['shop.order.refunded.v1', 'settle-order', 'cancel_requested'],
    ]);
    const { userId } = await row<{ userId: string }>('select user_id as "userId" from ordering.orders where id = $1', [
      orderId,
    ]);
    expect((await ask('/v1/accounts/me/entries', { as: userId })).body.data).toMatchObject([
      { kind: 'refund', amount: 5, balance: 10, version: 2, orderId },
      { kind: 'deposit' },
    ]);
  });

  test.each([
    ['voided at once', 'order_canceled', '2026-01-01T10:03Z', []],
    [
      'voided although it had been declined',
      'insufficient_funds',
      '2026-01-01T10:01Z',
      [['shop.charge.declined.v1', 'charge-account', 'placed']],
    ],
  ])('that was not charged is %s', async (_how, reason, at, before) => {
    const { decide, read, history } = await place(`status = 'canceled', canceled_at = '2026-01-01T10:04Z'`);
    await decide('declined', reason, at);
    expect(await read()).toMatchObject({ status: 'canceled', settledAt: '2026-01-01T10:04:00.000Z' });
    expect(await history()).toEqual([
      beginning,
      ...before,
      requested,
      ['shop.charge.voided.v1', 'refund-charge', 'cancel_requested'],
      ['shop.order.canceled.v1', 'settle-order', 'cancel_requested'],
    ]);
  });
});
