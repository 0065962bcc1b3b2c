import { describe, expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { orderCancelRequested } from '#events/order-cancel-requested.ts';
import { deliver, eventOf } from '#test/support/calls.ts';
import { connection, row, rows, useDatabase, waitingForLock } from '#test/support/database.ts';
import { customer, order, standing } from '#test/support/fixtures.ts';
import { handle } from './index.ts';

useDatabase();

const sales = '00000000-0000-0000-0000-000000000002';
const reverse = (orderId: string, userId: string) =>
  deliver(handle, eventOf(orderCancelRequested, { orderId, userId }));
const chargeOf = (orderId: string) =>
  rows('select outcome, reason from billing.charges where order_id = $1', [orderId]);

/** An order that its customer has canceled. */
async function canceled(userId: string, total: number): Promise<string> {
  const orderId = await order(userId, total);
  await rows(`update ordering.orders set status = 'canceling', cancel_requested_at = clock_timestamp() where id = $1`, [
    orderId,
  ]);
  return orderId;
}

/** An order that was charged before its customer canceled it. */
async function charged(userId: string, accountId: string | null, total: number): Promise<string> {
  const orderId = await canceled(userId, total);
  await rows(
    `with decided as (
       insert into billing.charges (order_id, user_id, account_id, amount, currency, outcome)
       values ($1, $2, $3, $4, 'usd', 'succeeded')
     ), taken as (
       update billing.accounts set balance = balance - $4::bigint, version = version + 1 where id = $3
       returning version, balance
     )
     insert into billing.transfers (id, kind, debit_account_id, credit_account_id, amount, currency, order_id,
                                    account_version, balance_after)
     select gen_random_uuid(), 'charge', $3, '${sales}', $4, 'usd', $1, version, balance from taken`,
    [orderId, userId, accountId, total],
  );
  return orderId;
}

describe('orders that were charged', () => {
  test('refunds the charge by a transfer of its own', async () => {
    const { userId, accountId } = await customer({ balance: 1_000 });
    const orderId = await charged(userId, accountId, 800);
    const { status, event } = await reverse(orderId, userId);
    expect({ status, type: event?.type, id: event?.id }).toEqual({
      status: 200,
      type: 'shop.charge.refunded.v1',
      id: `${orderId}.charge_refunded`,
    });
    expect(event?.data).toEqual({ orderId, userId, accountId, amount: 800, currency: 'usd' });
    expect(event?.correlationid).toBe(`${orderId}.cancel_requested`);
    expect(await standing(accountId)).toEqual({ balance: 1_000, version: 3, movements: 3 });
    expect(
      await row(
        `select debit_account_id, credit_account_id, account_version, balance_after from billing.transfers
          where order_id = $1 and kind = 'refund'`,
        [orderId],
      ),
    ).toEqual({ debit_account_id: sales, credit_account_id: accountId, account_version: 3, balance_after: 1_000 });
  });

  // promise: cancel-paid-order
  test('refunds an order once when its event is delivered five times', async () => {
    const { userId, accountId } = await customer({ balance: 1_000 });
    const orderId = await charged(userId, accountId, 800);
    const first = await reverse(orderId, userId);
    const others = await Promise.all([1, 2, 3, 4].map(() => reverse(orderId, userId)));
    for (const { event } of others) expect(event).toEqual({ ...first.event, signature: event?.['signature'] });
    expect(await standing(accountId)).toEqual({ balance: 1_000, version: 3, movements: 3 });
  });

  test('refunds each of ten orders of one customer at once', async () => {
    const { userId, accountId } = await customer({ balance: 1_000 });
    const orders: string[] = [];
    for (let count = 0; count < 10; count += 1) orders.push(await charged(userId, accountId, 100));
    const replies = await Promise.all(orders.map((orderId) => reverse(orderId, userId)));
    expect(replies.every(({ event }) => event?.type === 'shop.charge.refunded.v1')).toBe(true);
    expect(await standing(accountId)).toEqual({ balance: 1_000, version: 21, movements: 21 });
  });

  test('replies with the same event when the order is refunded already', async () => {
    const { userId, accountId } = await customer({ balance: 1_000 });
    const orderId = await charged(userId, accountId, 800);
    const first = await reverse(orderId, userId);
    await rows(`update ordering.orders set status = 'refunded', refunded_at = clock_timestamp() where id = $1`, [
      orderId,
    ]);
    const { event } = await reverse(orderId, userId);
    expect(event).toEqual({ ...first.event, signature: event?.['signature'] });
    expect(await standing(accountId)).toMatchObject({ movements: 3 });
  });
});

describe('orders that were not charged', () => {
  test('decides that the order is never charged, and moves no money', async () => {
    const { userId, accountId } = await customer({ balance: 1_000 });
    const orderId = await canceled(userId, 800);
    const { event } = await reverse(orderId, userId);
    expect(event).toMatchObject({
      type: 'shop.charge.voided.v1',
      id: `${orderId}.voided`,
      data: { orderId, userId },
    });
    expect(await chargeOf(orderId)).toEqual([{ outcome: 'declined', reason: 'order_canceled' }]);
    const again = await Promise.all([reverse(orderId, userId), reverse(orderId, userId)]);
    for (const { event: other } of again) expect(other).toEqual({ ...event, signature: other?.['signature'] });
    expect(await standing(accountId)).toEqual({ balance: 1_000, version: 1, movements: 1 });
  });

  test('voids the order of a customer without an account', async () => {
    const { userId } = await customer({ balance: null });
    expect((await reverse(await canceled(userId, 800), userId)).event?.type).toBe('shop.charge.voided.v1');
  });

  test('leaves an earlier decline as it is, and dates the void from the cancel', async () => {
    const { userId, accountId } = await customer({ balance: 100 });
    const orderId = await canceled(userId, 800);
    await rows(
      `insert into billing.charges (order_id, user_id, account_id, amount, currency, outcome, reason, decided_at)
       values ($1, $2, $3, 800, 'usd', 'declined', 'insufficient_funds', now() - interval '1 minute')`,
      [orderId, userId, accountId],
    );
    const { event } = await reverse(orderId, userId);
    const { at } = await row<{ at: Date }>('select cancel_requested_at as at from ordering.orders where id = $1', [
      orderId,
    ]);
    expect(event).toMatchObject({ type: 'shop.charge.voided.v1', time: at.toISOString() });
    expect(await chargeOf(orderId)).toEqual([{ outcome: 'declined', reason: 'insufficient_funds' }]);
  });
});

describe('two processes at once', () => {
  test('replies with the refund that another process is committing, and makes no second one', async () => {
    const { userId, accountId } = await customer({ balance: 1_000 });
    const orderId = await charged(userId, accountId, 800);
    const other = await connection();
    await other.query('begin');
    await other.query('update billing.accounts set balance = balance + 800, version = version + 1 where id = $1', [
      accountId,
    ]);
    await other.query(
      `insert into billing.transfers (id, kind, debit_account_id, credit_account_id, amount, currency, order_id,
                                      account_version, balance_after)
       values ($1, 'refund', '${sales}', $2, 800, 'usd', $3, 3, 1000)`,
      [uuidv7(), accountId, orderId],
    );
    const reply = reverse(orderId, userId);
    await waitingForLock();
    await other.query('commit');
    expect((await reply).event).toMatchObject({ type: 'shop.charge.refunded.v1', data: { accountId, amount: 800 } });
    expect(await standing(accountId)).toEqual({ balance: 1_000, version: 3, movements: 3 });
  });

  test('makes a refund that another process has begun and rolled back', async () => {
    const { userId, accountId } = await customer({ balance: 1_000 });
    const orderId = await charged(userId, accountId, 800);
    const other = await connection();
    await other.query('begin');
    await other.query('update billing.accounts set balance = balance + 800, version = version + 1 where id = $1', [
      accountId,
    ]);
    const reply = reverse(orderId, userId);
    await waitingForLock();
    await other.query('rollback');
    expect((await reply).event?.type).toBe('shop.charge.refunded.v1');
    expect(await standing(accountId)).toEqual({ balance: 1_000, version: 3, movements: 3 });
  });

  test('adds a refund to the balance that another process is raising', async () => {
    const { userId, accountId } = await customer({ balance: 1_000 });
    const orderId = await charged(userId, accountId, 800);
    const other = await connection();
    await other.query('begin');
    await other.query(
      'update billing.accounts set balance = balance + 50, deposited = deposited + 50, version = version + 1 where id = $1',
      [accountId],
    );
    const reply = reverse(orderId, userId);
    await waitingForLock();
    await other.query('commit');
    expect((await reply).event?.type).toBe('shop.charge.refunded.v1');
    expect(await standing(accountId)).toMatchObject({ balance: 1_050, version: 4 });
  });

  test('replies with the void that another process is committing', async () => {
    const { userId, accountId } = await customer({ balance: 1_000 });
    const orderId = await canceled(userId, 800);
    const other = await connection();
    await other.query('begin');
    await other.query(
      `insert into billing.charges (order_id, user_id, amount, currency, outcome, reason)
       values ($1, $2, 800, 'usd', 'declined', 'order_canceled')`,
      [orderId, userId],
    );
    const reply = reverse(orderId, userId);
    await waitingForLock();
    await other.query('commit');
    expect((await reply).event?.type).toBe('shop.charge.voided.v1');
    expect(await standing(accountId)).toMatchObject({ movements: 1 });
  });

  test('locks accounts in one order, whatever the order of the events', async () => {
    const customers = await Promise.all([1, 2].map(() => customer({ balance: 1_000 })));
    const [low, high] = customers.toSorted((a, b) => (String(a.accountId) < String(b.accountId) ? -1 : 1));
    if (!low || !high) throw new Error('two customers were expected');
    const [ofLow, ofHigh] = await Promise.all(
      [low, high].map(({ userId, accountId }) => charged(userId, accountId, 100)),
    );
    const other = await connection();
    await other.query('begin');
    await other.query('select 1 from billing.accounts where id = $1 for update', [low.accountId]);
    // the first runs alone; those that arrive meanwhile share a batch
    const alone = reverse(uuidv7(), uuidv7());
    const together = [reverse(String(ofHigh), high.userId), reverse(String(ofLow), low.userId)];
    await waitingForLock();
    // the batch waits for the first account and does not hold the second one
    await other.query('select 1 from billing.accounts where id = $1 for update nowait', [high.accountId]);
    await other.query('commit');
    expect((await alone).status).toBe(400);
    for (const { status } of await Promise.all(together)) expect(status).toBe(200);
  });

  test('reports an account that stays locked as a transient failure, and refunds it later', async () => {
    const { userId, accountId } = await customer({ balance: 1_000 });
    const orderId = await charged(userId, accountId, 800);
    const other = await connection();
    await other.query('begin');
    await other.query('select 1 from billing.accounts where id = $1 for update', [accountId]);
    expect(await reverse(orderId, userId)).toMatchObject({ status: 503, problem: { code: 'unavailable' } });
    await other.query('rollback');
    expect((await reverse(orderId, userId)).event?.type).toBe('shop.charge.refunded.v1');
  });
});

describe('refusals', () => {
  test.each([
    ['pending', `status = 'pending', cancel_requested_at = null`],
    ['paid', `status = 'paid', paid_at = now(), cancel_requested_at = null`],
    ['rejected', `status = 'rejected', reason = 'x', rejected_at = now(), cancel_requested_at = null`],
  ])('refuses an order that is %s, and moves no money', async (_status, changes) => {
    const { userId, accountId } = await customer({ balance: 1_000 });
    const orderId = await charged(userId, accountId, 800);
    await rows(`update ordering.orders set ${changes} where id = $1`, [orderId]);
    expect(await reverse(orderId, userId)).toMatchObject({ status: 400, problem: { code: 'bad_event' } });
    expect(await standing(accountId)).toEqual({ balance: 200, version: 2, movements: 2 });
  });

  test('refuses an unknown order, and another customer’s', async () => {
    const [{ userId }, other] = await Promise.all([customer({ balance: 1_000 }), customer({ balance: 1_000 })]);
    const orderId = await charged(other.userId, other.accountId, 100);
    expect(await reverse(orderId, userId)).toMatchObject({ status: 400, problem: { code: 'bad_event' } });
    expect(await reverse(uuidv7(), userId)).toMatchObject({ status: 400, problem: { code: 'bad_event' } });
    expect(await standing(other.accountId)).toMatchObject({ balance: 900 });
  });

  test('refuses an unsigned or altered event', async () => {
    const { userId, accountId } = await customer({ balance: 1_000 });
    const orderId = await charged(userId, accountId, 800);
    const event = eventOf(orderCancelRequested, { orderId, userId });
    const { signature: _, ...unsigned } = event as typeof event & { signature: string };
    expect(await deliver(handle, unsigned)).toMatchObject({ status: 400, problem: { code: 'unverified_event' } });
    const altered = { ...event, data: { orderId, userId: uuidv7() } };
    expect(await deliver(handle, altered)).toMatchObject({ status: 400, problem: { code: 'unverified_event' } });
    expect(await standing(accountId)).toMatchObject({ balance: 200 });
  });
});
