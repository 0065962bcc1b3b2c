import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { orderCancelRequested } from '#events/order-cancel-requested.ts';
import { orderPlaced } from '#events/order-placed.ts';
import { handle as cancelOrder } from '#functions/cancel-order/index.ts';
import { handle as chargeAccount } from '#functions/charge-account/index.ts';
import { handle as createAccount } from '#functions/create-account/index.ts';
import { handle as depositMoney } from '#functions/deposit-money/index.ts';
import { handle as parkEvent } from '#functions/park-event/index.ts';
import { handle as refundCharge } from '#functions/refund-charge/index.ts';
import { handle as sendNotification } from '#functions/send-notification/index.ts';
import { handle as settleOrder } from '#functions/settle-order/index.ts';
import { handle as sweep } from '#functions/sweep/index.ts';
import { createBroker } from '#local/broker/broker.ts';
import { readManifests } from '#events/topology/manifests.ts';
import { ping } from '#local/ping.ts';
import { call, deliver, eventOf } from '#test/support/calls.ts';
import { row, rows, useDatabase } from '#test/support/database.ts';
import { customer, order, standing } from '#test/support/fixtures.ts';
import { context, started, useBroker } from '#test/support/context.ts';
import type { ShopEvent } from '#platform/events/event.ts';
import type { EventHandle } from '#platform/events/on-event.ts';

// A chain may lose its outbox row at any step, for example to a restored backup. The next sweep reopens it, and it ends.

useDatabase();

const functions: Record<string, EventHandle> = {
  'charge-account': chargeAccount,
  'create-account': createAccount,
  'park-event': parkEvent,
  'refund-charge': refundCharge,
  'send-notification': sendNotification,
  'settle-order': settleOrder,
};
const broker = createBroker({
  manifests: readManifests('broker'),
  deliver: async (name, event) => {
    const handle = functions[name];
    return handle ? started(handle, name).deliver(event) : { status: 404 };
  },
});
let isBrokerUp = false;
const reopened: string[] = [];
beforeAll(() =>
  useBroker(async (event) => {
    reopened.push(event.id);
    if (isBrokerUp) await broker.ingest(event);
  }),
);
afterAll(() => broker.close());
beforeEach(() => {
  isBrokerUp = false;
});

interface Order {
  userId: string;
  orderId: string;
  accountId: string | null;
}

/** An order of 800 by a customer with this balance, of which no event was delivered. */
async function pending(balance = 1_000): Promise<Order> {
  const { userId, accountId } = await customer({ balance });
  return { userId, accountId, orderId: await order(userId, 800) };
}

async function step(handle: EventHandle, event: ShopEvent): Promise<ShopEvent> {
  const { event: next } = await deliver(handle, event);
  if (!next) throw new Error(`no event follows from ${event.type}`);
  return next;
}

async function charged(balance?: number) {
  const placed = await pending(balance);
  return { ...placed, next: await step(chargeAccount, eventOf(orderPlaced, placed)) };
}
async function settled(balance?: number) {
  const placed = await charged(balance);
  return { ...placed, next: await step(settleOrder, placed.next) };
}
async function notified() {
  const paid = await settled();
  expect(await deliver(sendNotification, paid.next)).toEqual({ status: 204 });
  return paid;
}
async function canceling(of: Order) {
  expect(await call(cancelOrder, { orderId: of.orderId }, { userId: of.userId })).toMatchObject({ status: 202 });
  return of;
}
async function refunded(of: Order) {
  const { userId, orderId } = await canceling(of);
  return { ...of, next: await step(refundCharge, eventOf(orderCancelRequested, { userId, orderId })) };
}

/** Deletes the outbox rows of an order and makes it two minutes older. */
async function strand({ orderId }: Order): Promise<void> {
  await context.tasks.done(1_000);
  await rows('delete from events.outbox where id like $1', [`${orderId}.%`]);
  await rows(
    `update ordering.orders
        set created_at = created_at - interval '2 minutes', paid_at = paid_at - interval '2 minutes',
            rejected_at = rejected_at - interval '2 minutes', canceled_at = canceled_at - interval '2 minutes',
            cancel_requested_at = cancel_requested_at - interval '2 minutes',
            refunded_at = refunded_at - interval '2 minutes'
      where id = $1`,
    [orderId],
  );
}

async function sweepAndSettle(): Promise<void> {
  isBrokerUp = true;
  expect(await deliver(sweep, ping())).toEqual({ status: 204 });
  await context.tasks.done(5_000);
  await broker.idle();
}

const notifiedEvents = async ({ orderId }: Order) => {
  const found = await rows<{ event_id: string }>(
    'select event_id from notifying.notifications where order_id = $1 order by event_id',
    [orderId],
  );
  return found.map(({ event_id: id }) => id.split('.')[1]);
};

interface Case {
  at: string;
  arrange: () => Promise<Order>;
  status: string;
  notified: string[];
  balance: number;
}

// promise: lost-outbox-row
test.each<Case>([
  { at: 'pending', arrange: () => pending(), status: 'paid', notified: ['paid'], balance: 200 },
  { at: 'charged', arrange: () => charged(), status: 'paid', notified: ['paid'], balance: 200 },
  { at: 'declined', arrange: () => charged(100), status: 'rejected', notified: ['rejected'], balance: 100 },
  { at: 'paid', arrange: () => settled(), status: 'paid', notified: ['paid'], balance: 200 },
  { at: 'rejected', arrange: () => settled(100), status: 'rejected', notified: ['rejected'], balance: 100 },
  {
    at: 'canceling before its charge',
    arrange: async () => canceling(await pending()),
    status: 'canceled',
    notified: ['canceled'],
    balance: 1_000,
  },
  {
    at: 'canceling',
    arrange: async () => canceling(await notified()),
    status: 'refunded',
    notified: ['paid', 'refunded'],
    balance: 1_000,
  },
  {
    at: 'canceling, with the refund in the ledger',
    arrange: async () => refunded(await notified()),
    status: 'refunded',
    notified: ['paid', 'refunded'],
    balance: 1_000,
  },
  {
    at: 'refunded',
    arrange: async () => {
      const { next, ...of } = await refunded(await notified());
      await step(settleOrder, next);
      return of;
    },
    status: 'refunded',
    notified: ['paid', 'refunded'],
    balance: 1_000,
  },
])('an order that lost its outbox row when it was $at ends, and its customer is notified once', async (given) => {
  const of = await given.arrange();
  await strand(of);
  await sweepAndSettle();
  expect(await row('select status from ordering.orders where id = $1', [of.orderId])).toEqual({ status: given.status });
  expect(await notifiedEvents(of)).toEqual(given.notified);
  expect(await standing(of.accountId)).toMatchObject({ balance: given.balance });
  expect(await rows('select id from events.outbox where id like $1', [`${of.orderId}.%`])).toEqual([]);
  reopened.length = 0;
  await sweepAndSettle();
  expect(reopened).toEqual([]);
});

test('sweep leaves alone an order with its outbox row, and one of the last minute', async () => {
  const recent = await pending();
  const open = await pending();
  await rows('delete from events.outbox where id = $1', [`${recent.orderId}.placed`]);
  await rows(`update ordering.orders set created_at = created_at - interval '2 minutes' where id = $1`, [open.orderId]);
  await rows(`update events.outbox set due_at = clock_timestamp() + interval '1 hour' where id = $1`, [
    `${open.orderId}.placed`,
  ]);
  await sweepAndSettle();
  for (const { orderId } of [recent, open]) {
    expect(await row('select status from ordering.orders where id = $1', [orderId])).toEqual({ status: 'pending' });
  }
});

// promise: lost-outbox-row
test('sweep reopens a refused chain at growing intervals, and the order ends once the event is accepted', async () => {
  const of = await canceling(await notified());
  await strand(of);
  const chain = `${of.orderId}.cancel_requested`;
  await rows(
    `insert into events.dead_letters
            (id, verified, source, event_id, type, correlation_id, reason, detail, event, times, last_parked_at)
     values ($1, true, '/shop/cancel-order', $2, 'shop.order.cancel_requested.v1', $2, 'refused', '', '{}', 3,
             clock_timestamp() - interval '7 minutes')`,
    [uuidv7(), chain],
  );
  await sweepAndSettle();
  expect(await row('select status from ordering.orders where id = $1', [of.orderId])).toEqual({ status: 'canceling' });
  await rows(
    `update events.dead_letters set last_parked_at = last_parked_at - interval '2 minutes' where event_id = $1`,
    [chain],
  );
  await sweepAndSettle();
  expect(await row('select status from ordering.orders where id = $1', [of.orderId])).toEqual({ status: 'refunded' });
});

// promise: lost-outbox-row
test('a customer without an account gets one, and a deposit without a receipt gets its mail', async () => {
  const { userId } = await customer({ balance: null });
  await rows(`update users.users set created_at = created_at - interval '2 minutes' where id = $1`, [userId]);
  await sweepAndSettle();
  const { id: accountId } = await row<{ id: string }>('select id from billing.accounts where user_id = $1', [userId]);
  isBrokerUp = false;
  const { body } = await call<{ id: string }>(depositMoney, { amount: 100, currency: 'usd' }, { userId });
  await context.tasks.done(1_000);
  await rows('delete from events.outbox');
  await rows(`update billing.deposits set created_at = created_at - interval '2 minutes' where id = $1`, [body.id]);
  await sweepAndSettle();
  expect(
    await rows('select event_id from notifying.notifications where user_id = $1 order by created_at', [userId]),
  ).toEqual([{ event_id: `${accountId}.opened` }, { event_id: `${body.id}.succeeded` }]);
});
