import { chargeDeclined } from '#events/charge-declined.ts';
import { chargeRefunded } from '#events/charge-refunded.ts';
import { chargeSucceeded } from '#events/charge-succeeded.ts';
import { chargeVoided } from '#events/charge-voided.ts';
import { orderCanceled } from '#events/order-canceled.ts';
import { orderPaid } from '#events/order-paid.ts';
import { orderRefunded } from '#events/order-refunded.ts';
import { orderRejected } from '#events/order-rejected.ts';
import { batch, decideOnce } from '#platform/database/batch.ts';
import type { DomainEvent, ShopEvent } from '#platform/events/event.ts';
import { orders } from '#platform/telemetry/metrics.ts';
import { onEvents, when } from '#platform/events/on-event.ts';
import { Problem } from '#platform/http/problem.ts';
import { endChain, findOrders, settleOrders, type OrderState, type Settlement } from './queries.ts';

const orderOf = ({ orderId }: { orderId: string }) => orderId;

async function applyTransition(settlements: Settlement[]): Promise<OrderState[]> {
  const moved = await settleOrders(settlements);
  for (const { status } of moved) orders.inc({ function: 'settle-order', outcome: status });
  return moved;
}

/** Settles orders that are in the state that the step expects; returns the others as they are. */
const settle = batch<Settlement, OrderState>({
  key: orderOf,
  run: async (settlements) => {
    const settled = await decideOnce(settlements, orderOf, orderOf, applyTransition, findOrders);
    return settlements.map(
      ({ orderId }) => settled.get(orderId) ?? new Problem('bad_event', `There is no order ${orderId}.`),
    );
  },
});

const dataOf = ({ orderId, userId, total, currency }: OrderState) => ({ orderId, userId, total, currency });

/**
 * Settles an order by the outcome of its charge. The timestamp of the transition decides: once it is set, a repeated
 * event gets the same event again.
 */
export const handle = onEvents(
  when(chargeSucceeded, async ({ orderId }, event) => {
    const order = await settle({ orderId, status: 'paid', reason: null });
    return order.paidAt ? orderPaid.create(dataOf(order), order.paidAt) : superseded(order, event);
  }),
  when(chargeDeclined, async ({ orderId, reason }, event) => {
    const order = await settle({ orderId, status: 'rejected', reason });
    if (!order.rejectedAt) return superseded(order, event);
    return orderRejected.create({ ...dataOf(order), reason: order.reason ?? reason }, order.rejectedAt);
  }),
  when(chargeRefunded, async ({ orderId }, event) => {
    const order = await settle({ orderId, status: 'refunded', reason: null });
    if (!order.refundedAt) throw unexpected(order, event);
    return orderRefunded.create(dataOf(order), order.refundedAt);
  }),
  when(chargeVoided, async ({ orderId }, event) => {
    const order = await settle({ orderId, status: 'canceled', reason: null });
    if (!order.canceledAt) throw unexpected(order, event);
    return orderCanceled.create(dataOf(order), order.canceledAt);
  }),
);

/** A cancel came first, and its own chain settles the order: this chain ends here, without an event. */
async function superseded(order: OrderState, event: ShopEvent): Promise<DomainEvent | void> {
  if (['pending', 'paid', 'rejected'].includes(order.status)) throw unexpected(order, event);
  await endChain(event.correlationid);
}

/** Why the order did not make the transition: another process is changing it, or the event contradicts its state. */
function unexpected({ orderId, status }: OrderState, { type }: ShopEvent): Problem {
  const expected = type === chargeRefunded.type || type === chargeVoided.type ? 'canceling' : 'pending';
  return status === expected
    ? new Problem('unavailable', `Order ${orderId} is being changed.`)
    : new Problem('bad_event', `Order ${orderId} is ${status}, which contradicts ${type}.`);
}
