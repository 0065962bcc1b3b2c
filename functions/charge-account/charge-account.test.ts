import { describe, expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { orderPlaced } from '#events/order-placed.ts';
import { deliver, eventOf } from '#test/support/calls.ts';
import { connection, row, rows, useDatabase, waitingForLock } from '#test/support/database.ts';
import { account, customer, order, standing } from '#test/support/fixtures.ts';
import { handle } from './index.ts';

useDatabase();

const charge = (orderId: string, userId: string) => deliver(handle, eventOf(orderPlaced, { orderId, userId }));

describe('decides once', () => {
  // promise: charged-exactly-once
  test('an affordable order is charged', async () => {
    const { userId, accountId } = await customer({ balance: 1_000 });
    const orderId = await order(userId, 800);
    const { status, event } = await charge(orderId, userId);
    expect({ status, type: event?.type, id: event?.id }).toEqual({
      status: 200,
      type: 'shop.charge.succeeded.v1',
      id: `${orderId}.succeeded`,
    });
    expect(event?.data).toEqual({ orderId, userId, accountId, amount: 800, currency: 'usd' });
    expect(event?.correlationid).toBe(`${orderId}.placed`);
    expect(await standing(accountId)).toEqual({ balance: 200, version: 2, movements: 2 });
  });

  // promise: charged
  test('an order for exactly the balance is charged, and one for more is declined and not charged', async () => {
    const { userId, accountId } = await customer({ balance: 500 });
    expect((await charge(await order(userId, 500), userId)).event?.type).toBe('shop.charge.succeeded.v1');
    const declined = await charge(await order(userId, 1), userId);
    expect(declined.event?.data).toMatchObject({ reason: 'insufficient_funds', amount: 1 });
    expect(await standing(accountId)).toEqual({ balance: 0, version: 2, movements: 2 });
  });

  test('the same order delivered five times, one after the other and at once, is charged once', async () => {
    const { userId, accountId } = await customer({ balance: 1_000 });
    const orderId = await order(userId, 300);
    const first = await charge(orderId, userId);
    const others = await Promise.all([1, 2, 3, 4].map(() => charge(orderId, userId)));
    for (const { event } of others) expect(event).toEqual({ ...first.event, signature: event?.['signature'] });
    expect(await standing(accountId)).toEqual({ balance: 700, version: 2, movements: 2 });
  });

  test('what was declined stays declined when money has come in', async () => {
    const { userId, accountId } = await customer({ balance: 100 });
    const orderId = await order(userId, 300);
    expect((await charge(orderId, userId)).event?.type).toBe('shop.charge.declined.v1');
    await rows('update billing.accounts set balance = 1000, deposited = 1000 where id = $1', [accountId]);
    expect((await charge(orderId, userId)).event?.type).toBe('shop.charge.declined.v1');
  });

  test('twenty orders at once on one account: exactly those that it can pay are charged', async () => {
    const { userId, accountId } = await customer({ balance: 1_000 });
    const orders = await Promise.all(Array.from({ length: 20 }, () => order(userId, 100)));
    const answers = await Promise.all(orders.map((orderId) => charge(orderId, userId)));
    expect(answers.filter(({ event }) => event?.type === 'shop.charge.succeeded.v1')).toHaveLength(10);
    expect(await standing(accountId)).toEqual({ balance: 0, version: 11, movements: 11 });
  });
});

describe('two processes at once', () => {
  test('a decision that another process is about to commit is answered, not taken again', async () => {
    const { userId, accountId } = await customer({ balance: 1_000 });
    const orderId = await order(userId, 800);
    const other = await connection();
    await other.query('begin');
    await other.query(
      `insert into billing.charges (order_id, user_id, account_id, amount, currency, outcome)
       values ($1, $2, $3, 800, 'usd', 'succeeded')`,
      [orderId, userId, accountId],
    );
    const answer = charge(orderId, userId);
    await waitingForLock();
    await other.query('commit');
    expect((await answer).event?.type).toBe('shop.charge.succeeded.v1');
    // the other process moved the money, or would have: this one did not
    expect(await standing(accountId)).toEqual({ balance: 1_000, version: 1, movements: 1 });
  });

  test('money that another process is taking is not there any more', async () => {
    const { userId, accountId } = await customer({ balance: 1_000 });
    const orderId = await order(userId, 800);
    const other = await connection();
    await other.query('begin');
    await other.query('update billing.accounts set balance = balance - 300 where id = $1', [accountId]);
    const answer = charge(orderId, userId);
    await waitingForLock();
    await other.query('commit');
    expect((await answer).event?.data).toMatchObject({ reason: 'insufficient_funds' });
    expect(await standing(accountId)).toMatchObject({ balance: 700, movements: 1 });
  });

  // promise: trouble-database-retried-never
  test('an account that stays locked is trouble, never a decline', async () => {
    const { userId, accountId } = await customer({ balance: 1_000 });
    const orderId = await order(userId, 800);
    const other = await connection();
    await other.query('begin');
    await other.query('select 1 from billing.accounts where id = $1 for update', [accountId]);
    expect(await charge(orderId, userId)).toMatchObject({ status: 503, problem: { code: 'unavailable' } });
    await other.query('rollback');
    expect((await charge(orderId, userId)).event?.type).toBe('shop.charge.succeeded.v1');
  });
});

describe('cannot decide', () => {
  test('without an account yet the order waits, and is charged once there is one', async () => {
    const { userId } = await customer({ balance: null });
    const orderId = await order(userId, 100);
    expect(await charge(orderId, userId)).toMatchObject({ status: 503 });
    const accountId = await account(userId, 1_000);
    expect((await charge(orderId, userId)).event?.type).toBe('shop.charge.succeeded.v1');
    expect(await standing(accountId)).toMatchObject({ balance: 900 });
  });

  test('without an account ten minutes after the order it is declined', async () => {
    const { userId } = await customer({ balance: null });
    const orderId = await order(userId, 100);
    await rows(`update ordering.orders set created_at = now() - interval '11 minutes' where id = $1`, [orderId]);
    expect((await charge(orderId, userId)).event?.data).toMatchObject({ reason: 'account_not_found' });
  });

  test('an account in another currency is declined', async () => {
    const { userId, accountId } = await customer({ balance: 1_000, currency: 'eur' });
    expect((await charge(await order(userId, 100), userId)).event?.data).toMatchObject({ reason: 'currency_mismatch' });
    expect(await standing(accountId)).toMatchObject({ balance: 1_000 });
  });

  test('an order whose cancel was committed first is never charged', async () => {
    const { userId, accountId } = await customer({ balance: 1_000 });
    const orderId = await order(userId, 100);
    await rows(`update ordering.orders set status = 'canceling', cancel_requested_at = now() where id = $1`, [orderId]);
    expect((await charge(orderId, userId)).event?.data).toMatchObject({ reason: 'order_canceled' });
    expect(await standing(accountId)).toMatchObject({ balance: 1_000, movements: 1 });
  });

  test('an order that another process is about to void is not charged', async () => {
    const { userId, accountId } = await customer({ balance: 1_000 });
    const orderId = await order(userId, 100);
    const other = await connection();
    await other.query('begin');
    await other.query(
      `insert into billing.charges (order_id, user_id, amount, currency, outcome, reason)
       values ($1, $2, 100, 'usd', 'declined', 'order_canceled')`,
      [orderId, userId],
    );
    const answer = charge(orderId, userId);
    await waitingForLock();
    await other.query('commit');
    expect((await answer).event?.data).toMatchObject({ reason: 'order_canceled' });
    expect(await standing(accountId)).toMatchObject({ balance: 1_000, movements: 1 });
  });

  test('an order that is not there, or is somebody else’s, is refused', async () => {
    const [{ userId }, other] = await Promise.all([customer({ balance: 1_000 }), customer({ balance: 1_000 })]);
    const orderId = await order(other.userId, 100);
    expect(await charge(orderId, userId)).toMatchObject({ status: 400, problem: { code: 'bad_event' } });
    expect(await charge(uuidv7(), userId)).toMatchObject({ status: 400, problem: { code: 'bad_event' } });
    expect(await row('select count(*) as charges from billing.charges where order_id = $1', [orderId])).toEqual({
      charges: 0,
    });
  });

  test('a bad order in a batch does not hold up the others', async () => {
    const { userId, accountId } = await customer({ balance: 1_000 });
    const orderId = await order(userId, 100);
    const answers = await Promise.all([
      charge(uuidv7(), uuidv7()),
      charge(orderId, userId),
      charge(uuidv7(), uuidv7()),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([400, 200, 400]);
    expect(await standing(accountId)).toMatchObject({ balance: 900 });
  });
});

describe('whom it trusts', () => {
  test('an unsigned or altered event charges nobody', async () => {
    const { userId, accountId } = await customer({ balance: 1_000 });
    const orderId = await order(userId, 100);
    const event = eventOf(orderPlaced, { orderId, userId });
    const { signature: _, ...unsigned } = event as typeof event & { signature: string };
    expect(await deliver(handle, unsigned)).toMatchObject({ status: 400, problem: { code: 'unverified_event' } });
    const altered = { ...event, data: { orderId, userId: uuidv7() } };
    expect(await deliver(handle, altered)).toMatchObject({ status: 400, problem: { code: 'unverified_event' } });
    expect(await standing(accountId)).toMatchObject({ balance: 1_000 });
  });

  test('data that the schema does not know is refused, added fields are accepted, another type is ignored', async () => {
    const { userId, accountId } = await customer({ balance: 1_000 });
    const orderId = await order(userId, 100);
    const broken = eventOf(orderPlaced, { orderId: 'x', userId });
    expect(await deliver(handle, broken)).toMatchObject({ status: 400, problem: { code: 'bad_event' } });
    const other = eventOf(
      { ...orderPlaced, type: 'x', create: (data) => ({ ...orderPlaced.create(data), type: 'x' }) },
      { orderId, userId },
    );
    expect(await deliver(handle, other)).toEqual({ status: 204 });
    const added = eventOf(orderPlaced, { orderId, userId, gift: true } as { orderId: string; userId: string });
    expect(await deliver(handle, added)).toMatchObject({ status: 200 });
    expect(await standing(accountId)).toMatchObject({ balance: 900 });
  });
});
