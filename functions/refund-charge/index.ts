import { chargeRefunded } from '#events/charge-refunded.ts';
import { chargeVoided } from '#events/charge-voided.ts';
import { orderCancelRequested, type OrderCancelRequested } from '#events/order-cancel-requested.ts';
import { batch, decideOnce } from '#platform/database/batch.ts';
import { onEvent } from '#platform/events/on-event.ts';
import { Problem } from '#platform/http/problem.ts';
import { findReversals, refundCharges, voidCharges, type Reversal } from './queries.ts';

const orderOf = ({ orderId }: { orderId: string }) => orderId;

/**
 * Reverses the charge of a canceled order, once: refunds it or, if it is not decided yet, decides it as declined, so
 * that the order is never charged. A batch holds at most one order an account, so that every refund sees the balance
 * that the previous one left.
 */
const reverse = batch<OrderCancelRequested, Reversal>({
  key: ({ userId }) => userId,
  run: async (orders) => {
    const reversals = await decideOnce(orders, orderOf, orderOf, voidCharges, async (decided) => {
      const refunds = await decideOnce(decided, orderOf, orderOf, refundCharges, findReversals);
      return [...refunds.values()];
    });
    return orders.map((order) => doneOrProblem(order, reversals.get(order.orderId)));
  },
});

/** Refunds a canceled order, or makes sure that it is never charged. A repeated event gets the first result. */
export const handle = onEvent(orderCancelRequested, async (order) => {
  const { orderId, userId, accountId, amount, currency, at } = await reverse(order);
  return accountId === null
    ? chargeVoided.create({ orderId, userId }, at)
    : chargeRefunded.create({ orderId, userId, accountId, amount, currency }, at);
});

function doneOrProblem({ orderId }: OrderCancelRequested, reversal: Reversal | undefined): Reversal | Problem {
  if (!reversal) return new Problem('bad_event', `There is no order ${orderId} that this customer has canceled.`);
  return reversal.isDone ? reversal : new Problem('unavailable', `The charge of order ${orderId} is being decided.`);
}
