import { chargeDeclined } from '#events/charge-declined.ts';
import { chargeSucceeded } from '#events/charge-succeeded.ts';
import { orderPaid } from '#events/order-paid.ts';
import { orderRejected } from '#events/order-rejected.ts';
import { batch, decideOnce } from '#platform/batch.ts';
import type { Fact, ShopEvent } from '#platform/event.ts';
import { onEvents, when } from '#platform/on-event.ts';
import { Problem } from '#platform/problem.ts';
import { endChain, findOrders, settleOrders, type Order, type Settlement } from './queries.ts';

const orderOf = ({ orderId }: { orderId: string }) => orderId;

/** Moves orders on from `pending`; an order that has moved on before is given as it is. */
const settle = batch<Settlement, Order>({
  key: orderOf,
  run: async (settlements) => {
    const orders = await decideOnce(settlements, orderOf, orderOf, settleOrders, findOrders);
    return settlements.map(
      ({ orderId }) => orders.get(orderId) ?? new Problem('bad_event', `There is no order ${orderId}.`),
    );
  },
});

export const handle = onEvents(
  when(chargeSucceeded, async ({ orderId }, event) => {
    const order = await settle({ orderId, status: 'paid', reason: null });
    const { userId, total, currency, paidAt } = order;
    return paidAt ? orderPaid.fact({ orderId, userId, total, currency }, paidAt) : superseded(order, event);
  }),
  when(chargeDeclined, async ({ orderId, reason }, event) => {
    const order = await settle({ orderId, status: 'rejected', reason });
    const { userId, total, currency, rejectedAt } = order;
    if (!rejectedAt) return superseded(order, event);
    return orderRejected.fact({ orderId, userId, total, currency, reason: order.reason ?? reason }, rejectedAt);
  }),
);

/** A cancel came first and its own chain ends the order: this chain ends here, without a fact. */
async function superseded({ orderId, status }: Order, event: ShopEvent): Promise<Fact | void> {
  if (status === 'pending') throw new Problem('unavailable', `Order ${orderId} is being changed.`);
  if (status === 'paid' || status === 'rejected') {
    throw new Problem('bad_event', `Order ${orderId} is ${status}, which contradicts ${event.type}.`);
  }
  await endChain(event.correlationid);
}
