import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { orderCancelRequested } from '#events/order-cancel-requested.ts';
import { orderPlaced } from '#events/order-placed.ts';
import { handle as cancelOrder } from '#functions/cancel-order/index.ts';
import { handle as chargeAccount } from '#functions/charge-account/index.ts';
import { handle as depositMoney } from '#functions/deposit-money/index.ts';
import { handle as refundCharge } from '#functions/refund-charge/index.ts';
import { handle as settleOrder } from '#functions/settle-order/index.ts';
import { call, callStarted, deliver, deliverTo, eventOf } from '#test/support/calls.ts';
import { newContext, started, useBroker } from '#test/support/context.ts';
import { connection, row, rows, useDatabase, waitingForLock } from '#test/support/database.ts';
import { customer, order, standing } from '#test/support/fixtures.ts';
import type { ShopEvent } from '#platform/events/event.ts';
import { invariants, parameters, type Violation } from '#test/support/invariants.ts';
import { recordCheck, record } from '#test/support/sizes.ts';

// The functions of the order chain and of the cancel chain, run against each other: one is held in the middle of its
// statement while the other goes on. Whichever comes first, the customer's balance ends where it began.

useDatabase();

/** Where a statement can be held: at its write to this table, with everything it did before uncommitted. */
const holds = { 'billing.transfers': 1, 'events.outbox': 2, 'ordering.orders': 3 };

beforeAll(async () => {
  useBroker(async () => undefined); // each test delivers the events itself
  await rows(`
    create function hold_here() returns trigger language plpgsql as $$
    begin
      perform pg_advisory_xact_lock_shared(tg_argv[0]::int);
      return new;
    end $$`);
  for (const [table, key] of Object.entries(holds)) {
    const when = table === 'ordering.orders' ? 'after update' : 'before insert';
    await rows(`create trigger hold_here ${when} on ${table} for each row execute function hold_here(${key})`);
  }
});

/** Holds every statement at its write to this table; returns what releases them. */
async function holdAt(table: keyof typeof holds): Promise<() => Promise<void>> {
  const other = await connection();
  await other.query('select pg_advisory_lock($1)', [holds[table]]);
  return async () => void (await other.query('select pg_advisory_unlock($1)', [holds[table]]));
}

/** Functions of a second process, whose context is its own. */
const secondProcess = newContext();
const second = {
  cancelOrder: cancelOrder(secondProcess),
  chargeAccount: chargeAccount(secondProcess),
  refundCharge: refundCharge(secondProcess),
};
afterAll(() => secondProcess.close(5_000));

async function placeOrder() {
  const { userId, accountId } = await customer({ balance: 1_000 });
  const orderId = await order(userId, 800);
  const event = eventOf(orderCancelRequested, { orderId, userId });
  return {
    orderId,
    charge: () => deliver(chargeAccount, eventOf(orderPlaced, { orderId, userId })),
    cancel: (by = started(cancelOrder)) => callStarted<{ status: string }>(by, { orderId }, { userId }),
    reverse: (by = started(refundCharge)) => deliverTo(by, event),
    settle: async ({ event: charge }: { event?: ShopEvent }) =>
      (await deliver(settleOrder, charge as ShopEvent)).event?.type,
    status: async () =>
      (await row<{ status: string }>('select status from ordering.orders where id = $1', [orderId])).status,
    standing: () => standing(accountId),
  };
}

const refunded = { balance: 1_000, version: 3, movements: 3 };
const untouched = { balance: 1_000, version: 1, movements: 1 };

/** Violations of the invariants on money, orders and their timestamps; the accounts and mails here are fixtures. */
async function violations(): Promise<Violation[]> {
  const found = await rows<Violation>(invariants, parameters({ accepted: [], canceled: [], broken: [], earlier: [] }));
  const wrong = found.filter(({ name }) => /^I(1|2|3|6|7|11) /.test(name));
  recordCheck(wrong);
  return wrong;
}

afterEach(async () => {
  const { orders } = await row<{ orders: number }>('select count(*) as orders from ordering.orders');
  record({ fault: 'cancel against charge', count: 1, orders: orders - counted });
  counted = orders;
});
let counted = 0;

describe('charge-account and cancel-order', () => {
  // promise: cancel-during-charge
  test('an order canceled while its charge is about to commit is refunded once', async () => {
    const placed = await placeOrder();
    const release = await holdAt('billing.transfers');
    const charge = placed.charge();
    await waitingForLock();
    expect(await placed.cancel()).toMatchObject({ status: 202, body: { status: 'canceling' } });
    await release();
    expect(await placed.settle(await charge)).toBeUndefined();
    expect(await placed.settle(await placed.reverse())).toBe('shop.order.refunded.v1');
    expect(await placed.standing()).toEqual(refunded);
    expect(await violations()).toEqual([]);
  });

  // promise: cancel-during-charge
  test('an order canceled while its charge waits for the account is charged and refunded once', async () => {
    const placed = await placeOrder();
    const release = await holdAccount(placed.orderId);
    const charge = placed.charge();
    await waitingForLock();
    expect(await placed.cancel()).toMatchObject({ status: 202 });
    await release();
    expect((await charge).event?.type).toBe('shop.charge.succeeded.v1');
    expect(await placed.settle(await placed.reverse())).toBe('shop.order.refunded.v1');
    expect(await placed.settle(await charge)).toBeUndefined();
    expect(await placed.standing()).toEqual(refunded);
    expect(await violations()).toEqual([]);
  });

  test('an order whose cancel is about to commit when the charge begins is charged and refunded', async () => {
    const placed = await placeOrder();
    const release = await holdAt('events.outbox');
    const cancel = placed.cancel();
    await waitingForLock();
    const charge = await placed.charge(); // does not wait for the lock on the order
    await release();
    expect(await cancel).toMatchObject({ status: 202 });
    expect(await placed.settle(charge)).toBeUndefined();
    expect(await placed.settle(await placed.reverse())).toBe('shop.order.refunded.v1');
    expect(await placed.standing()).toEqual(refunded);
    expect(await violations()).toEqual([]);
  });

  // promise: cancel-before-charge
  test('an order whose cancel has committed is never charged, however late the charge arrives', async () => {
    const placed = await placeOrder();
    await placed.cancel();
    const declined = await placed.charge();
    expect(declined.event?.data).toMatchObject({ reason: 'order_canceled' });
    expect(await placed.settle(await placed.reverse())).toBe('shop.order.canceled.v1');
    expect(await placed.settle(await placed.charge())).toBeUndefined();
    expect(await placed.standing()).toEqual(untouched);
    expect(await violations()).toEqual([]);
  });
});

describe('charge-account and refund-charge', () => {
  // promise: cancel-during-charge
  test('a reversal waits for a charge that is about to commit, and refunds it', async () => {
    const placed = await placeOrder();
    const release = await holdAt('billing.transfers');
    const charge = placed.charge();
    await waitingForLock();
    await placed.cancel();
    const reverse = placed.reverse();
    await waitingForLock(2);
    await release();
    expect((await reverse).event?.type).toBe('shop.charge.refunded.v1');
    expect(await placed.settle(await reverse)).toBe('shop.order.refunded.v1');
    expect(await placed.settle(await charge)).toBeUndefined();
    expect(await placed.standing()).toEqual(refunded);
    expect(await violations()).toEqual([]);
  });

  test('a charge that is overtaken by the void never happens', async () => {
    const placed = await placeOrder();
    const release = await holdAccount(placed.orderId);
    const charge = placed.charge();
    await waitingForLock();
    await placed.cancel();
    expect((await placed.reverse()).event?.type).toBe('shop.charge.voided.v1');
    await release();
    expect((await charge).event?.data).toMatchObject({ reason: 'order_canceled' });
    expect(await placed.settle(await charge)).toBeUndefined();
    expect(await placed.settle(await placed.reverse())).toBe('shop.order.canceled.v1');
    expect(await placed.standing()).toEqual(untouched);
    expect(await violations()).toEqual([]);
  });

  test('a charge after the refund, or after the void, moves no money', async () => {
    for (const [early, expected] of [
      [true, refunded],
      [false, untouched],
    ] as const) {
      const placed = await placeOrder();
      if (early) await placed.charge();
      await placed.cancel();
      await placed.settle(await placed.reverse());
      expect(await placed.settle(await placed.charge())).toBeUndefined();
      expect(await placed.standing()).toEqual(expected);
    }
    expect(await violations()).toEqual([]);
  });
});

// promise: cancel-paid-order
test('two processes that refund the same order refund it once and reply with the same event', async () => {
  const placed = await placeOrder();
  await placed.charge();
  await placed.cancel();
  const release = await holdAt('billing.transfers');
  const replies = [placed.reverse(), placed.reverse(second.refundCharge)];
  await waitingForLock(2);
  await release();
  const [first, other] = await Promise.all(replies);
  expect(first?.event?.type).toBe('shop.charge.refunded.v1');
  expect(other?.event).toEqual({ ...first?.event, signature: other?.event?.['signature'] });
  expect(await placed.settle(first ?? {})).toBe('shop.order.refunded.v1');
  expect(await placed.standing()).toEqual(refunded);
  expect(await violations()).toEqual([]);
});

test('two processes that cancel the same order cancel it once, and both return 202', async () => {
  const placed = await placeOrder();
  const release = await holdAt('events.outbox');
  const responses = [placed.cancel(), placed.cancel(second.cancelOrder)];
  await waitingForLock(2);
  await release();
  for (const response of await Promise.all(responses)) {
    expect(response).toMatchObject({ status: 202, body: { status: 'canceling' } });
  }
  const chains = await rows('select id from events.outbox where id = $1', [`${placed.orderId}.cancel_requested`]);
  expect(chains).toHaveLength(1);
  await placed.settle(await placed.reverse());
});

describe('settle-order and cancel-order', () => {
  test('an order canceled while it is being settled was paid, and then is canceled', async () => {
    const placed = await placeOrder();
    const charge = await placed.charge();
    const release = await holdAt('ordering.orders');
    const settle = placed.settle(charge);
    await waitingForLock();
    const cancel = placed.cancel();
    await waitingForLock(2);
    await release();
    expect(await settle).toBe('shop.order.paid.v1');
    expect(await cancel).toMatchObject({ status: 202, body: { status: 'canceling' } });
    expect(await placed.settle(await placed.reverse())).toBe('shop.order.refunded.v1');
    expect(await placed.settle(charge)).toBe('shop.order.paid.v1'); // the same event again
    expect(await placed.status()).toBe('refunded');
    expect(await placed.standing()).toEqual(refunded);
    expect(await violations()).toEqual([]);
  });

  test('an order settled while its cancel is about to commit is never paid', async () => {
    const placed = await placeOrder();
    const charge = await placed.charge();
    const release = await holdAt('events.outbox');
    const cancel = placed.cancel();
    await waitingForLock();
    const settle = placed.settle(charge);
    await waitingForLock(2);
    await release();
    expect(await cancel).toMatchObject({ status: 202 });
    expect(await settle).toBeUndefined();
    expect(await placed.settle(await placed.reverse())).toBe('shop.order.refunded.v1');
    expect(await placed.standing()).toEqual(refunded);
    expect(await violations()).toEqual([]);
  });
});

test('two processes charge, cancel, refund and deposit on the same accounts at once without a failure', async () => {
  const customers = await Promise.all(Array.from({ length: 8 }, () => customer({ balance: 1_000 })));
  const statuses = await Promise.all(
    customers.flatMap(({ userId }) =>
      Array.from({ length: 5 }, async (_, index) => {
        const orderId = await order(userId, 100);
        const event = eventOf(orderPlaced, { orderId, userId });
        const deposit = call(depositMoney, { amount: 1, currency: 'usd' }, { userId, key: uuidv7() });
        const charges = Promise.all([deliver(chargeAccount, event), deliverTo(second.chargeAccount, event)]);
        if (index % 2 === 0) await charges;
        const { status } = await call(cancelOrder, { orderId }, { userId });
        const requested = eventOf(orderCancelRequested, { orderId, userId });
        const reversals = await Promise.all([
          deliver(refundCharge, requested),
          deliverTo(second.refundCharge, requested),
        ]);
        for (const { event: next } of [...reversals, ...(await charges)]) await deliver(settleOrder, next as ShopEvent);
        return [status, (await deposit).status, ...[...reversals, ...(await charges)].map((reply) => reply.status)];
      }),
    ),
  );
  expect(new Set(statuses.map(String))).toEqual(new Set(['202,201,200,200,200,200']));
  for (const { accountId } of customers) expect(await standing(accountId)).toMatchObject({ balance: 1_005 });
  expect(await violations()).toEqual([]);
});

/** Locks the account of an order's customer, so that a charge waits after it has read the order; returns the release. */
async function holdAccount(orderId: string): Promise<() => Promise<void>> {
  const other = await connection();
  await other.query('begin');
  await other.query(
    `select 1 from billing.accounts a join ordering.orders o on o.user_id = a.user_id where o.id = $1 for update of a`,
    [orderId],
  );
  return async () => void (await other.query('commit'));
}
