import { describe, expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { orderPlaced } from '#events/order-placed.ts';
import { deliver, eventOf } from '#test/support/calls.ts';
import { connection, row, rows, useDatabase, waitingForLock } from '#test/support/database.ts';
import { account, customer, order, standing } from '#test/support/fixtures.ts';
import { handle } from './index.ts';

useDatabase();

const charge = (orderId: string, userId: string) => deliver(handle, eventOf(orderPlaced, { orderId, userId }));

describe('decides a charge once', () => {
  // promise: charged-once
  test('charges an affordable order', async () => {
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

  // promise: rejected-not-charged
  test('charges an order for exactly the balance, and declines one for more without charging it', async () => {
    const { userId, accountId } = await customer({ balance: 500 });
    expect((await charge(await order(userId, 500), userId)).event?.type).toBe('shop.charge.succeeded.v1');
    const declined = await charge(await order(userId, 1), userId);
    expect(declined.event?.data).toMatchObject({ reason: 'insufficient_funds', amount: 1 });
    expect(await standing(accountId)).toEqual({ balance: 0, version: 2, movements: 2 });
  });

  test('charges an order once when its event is delivered five times', async () => {
    const { userId, accountId } = await customer({ balance: 1_000 });
    const orderId = await order(userId, 300);
    const first = await charge(orderId, userId);
    const others = await Promise.all([1, 2, 3, 4].map(() => charge(orderId, userId)));
    for (const { event } of others) expect(event).toEqual({ ...first.event, signature: event?.['signature'] });
    expect(await standing(accountId)).toEqual({ balance: 700, version: 2, movements: 2 });
  });

  test('keeps a declined order declined after a deposit', async () => {
    const { userId, accountId } = await customer({ balance: 100 });
    const orderId = await order(userId, 300);
    expect((await charge(orderId, userId)).event?.type).toBe('shop.charge.declined.v1');
    await rows('update billing.accounts set balance = 1000, deposited = 1000 where id = $1', [accountId]);
    expect((await charge(orderId, userId)).event?.type).toBe('shop.charge.declined.v1');
  });

  test('charges, of twenty orders at once on one account, exactly those that it can pay', async () => {
    const { userId, accountId } = await customer({ balance: 1_000 });
    const orders = await Promise.all(Array.from({ length: 20 }, () => order(userId, 100)));
    const replies = await Promise.all(orders.map((orderId) => charge(orderId, userId)));
    expect(replies.filter(({ event }) => event?.type === 'shop.charge.succeeded.v1')).toHaveLength(10);
    expect(await standing(accountId)).toEqual({ balance: 0, version: 11, movements: 11 });
  });
});

describe('two processes at once', () => {
  test('replies with the decision that another process is committing, and takes no second one', async () => {
    const { userId, accountId } = await customer({ balance: 1_000 });
    const orderId = await order(userId, 800);
    const other = await connection();
    await other.query('begin');
    await other.query(
      `insert into billing.charges (order_id, user_id, account_id, amount, currency, outcome)
       values ($1, $2, $3, 800, 'usd', 'succeeded')`,
      [orderId, userId, accountId],
    );
    const reply = charge(orderId, userId);
    await waitingForLock();
    await other.query('commit');
    expect((await reply).event?.type).toBe('shop.charge.succeeded.v1');
    // the money is moved by the other process, not by this one
    expect(await standing(accountId)).toEqual({ balance: 1_000, version: 1, movements: 1 });
  });

  test('does not charge money that another process is taking', async () => {
    const { userId, accountId } = await customer({ balance: 1_000 });
    const orderId = await order(userId, 800);
    const other = await connection();
    await other.query('begin');
    await other.query('update billing.accounts set balance = balance - 300 where id = $1', [accountId]);
    const reply = charge(orderId, userId);
    await waitingForLock();
    await other.query('commit');
    expect((await reply).event?.data).toMatchObject({ reason: 'insufficient_funds' });
    expect(await standing(accountId)).toMatchObject({ balance: 700, movements: 1 });
  });

  // promise: database-outage
  test('reports an account that stays locked as a transient failure, never as a decline', async () => {
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

describe('orders that cannot be charged', () => {
  test('leaves an order without an account to a retry, and charges it once the account is open', async () => {
    const { userId } = await customer({ balance: null });
    const orderId = await order(userId, 100);
    expect(await charge(orderId, userId)).toMatchObject({ status: 503 });
    const accountId = await account(userId, 1_000);
    expect((await charge(orderId, userId)).event?.type).toBe('shop.charge.succeeded.v1');
    expect(await standing(accountId)).toMatchObject({ balance: 900 });
  });

  test('declines an order that has no account ten minutes later', async () => {
    const { userId } = await customer({ balance: null });
    const orderId = await order(userId, 100);
    await rows(`update ordering.orders set created_at = now() - interval '11 minutes' where id = $1`, [orderId]);
    expect((await charge(orderId, userId)).event?.data).toMatchObject({ reason: 'account_not_found' });
  });

  test('declines an order in another currency than the account', async () => {
    const { userId, accountId } = await customer({ balance: 1_000, currency: 'eur' });
    expect((await charge(await order(userId, 100), userId)).event?.data).toMatchObject({ reason: 'currency_mismatch' });
    expect(await standing(accountId)).toMatchObject({ balance: 1_000 });
  });

  test('never charges an order whose cancel was committed first', async () => {
    const { userId, accountId } = await customer({ balance: 1_000 });
    const orderId = await order(userId, 100);
    await rows(`update ordering.orders set status = 'canceling', cancel_requested_at = now() where id = $1`, [orderId]);
    expect((await charge(orderId, userId)).event?.data).toMatchObject({ reason: 'order_canceled' });
    expect(await standing(accountId)).toMatchObject({ balance: 1_000, movements: 1 });
  });

  test('does not charge an order that another process is voiding', async () => {
    const { userId, accountId } = await customer({ balance: 1_000 });
    const orderId = await order(userId, 100);
    const other = await connection();
    await other.query('begin');
    await other.query(
      `insert into billing.charges (order_id, user_id, amount, currency, outcome, reason)
       values ($1, $2, 100, 'usd', 'declined', 'order_canceled')`,
      [orderId, userId],
    );
    const reply = charge(orderId, userId);
    await waitingForLock();
    await other.query('commit');
    expect((await reply).event?.data).toMatchObject({ reason: 'order_canceled' });
    expect(await standing(accountId)).toMatchObject({ balance: 1_000, movements: 1 });
  });

  test('refuses an unknown order, and another customer’s', async () => {
    const [{ userId }, other] = await Promise.all([customer({ balance: 1_000 }), customer({ balance: 1_000 })]);
    const orderId = await order(other.userId, 100);
    expect(await charge(orderId, userId)).toMatchObject({ status: 400, problem: { code: 'bad_event' } });
    expect(await charge(uuidv7(), userId)).toMatchObject({ status: 400, problem: { code: 'bad_event' } });
    expect(await row('select count(*) as charges from billing.charges where order_id = $1', [orderId])).toEqual({
      charges: 0,
    });
  });

  test('refuses one order of a batch without holding up the others', async () => {
    const { userId, accountId } = await customer({ balance: 1_000 });
    const orderId = await order(userId, 100);
    const replies = await Promise.all([
      charge(uuidv7(), uuidv7()),
      charge(orderId, userId),
      charge(uuidv7(), uuidv7()),
    ]);
    expect(replies.map(({ status }) => status)).toEqual([400, 200, 400]);
    expect(await standing(accountId)).toMatchObject({ balance: 900 });
  });
});

describe('events that cannot be trusted', () => {
  test('charges nothing for an unsigned or altered event', async () => {
    const { userId, accountId } = await customer({ balance: 1_000 });
    const orderId = await order(userId, 100);
    const event = eventOf(orderPlaced, { orderId, userId });
    const { signature: _, ...unsigned } = event as typeof event & { signature: string };
    expect(await deliver(handle, unsigned)).toMatchObject({ status: 400, problem: { code: 'unverified_event' } });
    const altered = { ...event, data: { orderId, userId: uuidv7() } };
    expect(await deliver(handle, altered)).toMatchObject({ status: 400, problem: { code: 'unverified_event' } });
    expect(await standing(accountId)).toMatchObject({ balance: 1_000 });
  });

  test('refuses malformed data, accepts added fields, and ignores other types', async () => {
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
