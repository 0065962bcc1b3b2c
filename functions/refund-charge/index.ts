import { chargeRefunded } from '#events/charge-refunded.ts';
import { chargeVoided } from '#events/charge-voided.ts';
import { orderCancelRequested, type OrderCancelRequested } from '#events/order-cancel-requested.ts';
import { batch, decideOnce } from '#platform/database/batch.ts';
import { onEvent } from '#platform/events/on-event.ts';
import { Problem } from '#platform/http/problem.ts';
import { findReversals, refundCharges, voidCharges, type Reversal } from './queries.ts';

const orderOf = ({ orderId }: { orderId: string }) => orderId;

/**
 * Brings the money of a canceled order back where it was. Not charged yet: the decision is taken here, so that it
 * never can be. Charged: it is refunded, once. One order an account in a batch, so that each sees the balance that
 * the one before has left.
 */
const reverse = batch<OrderCancelRequested, Reversal>({
  key: ({ userId }) => userId,
  run: async (orders) => {
    const reversals = await decideOnce(orders, orderOf, orderOf, voidCharges, async (decided) => {
      const refunds = await decideOnce(decided, orderOf, orderOf, refundCharges, findReversals);
      return [...refunds.values()];
    });
    return orders.map((order) => given(order, reversals.get(order.orderId)));
  },
});

export const handle = onEvent(orderCancelRequested, async (order) => {
  const { orderId, userId, accountId, amount, currency, at } = await reverse(order);
  return accountId === null
    ? chargeVoided.create({ orderId, userId }, at)
    : chargeRefunded.create({ orderId, userId, accountId, amount, currency }, at);
});

function given({ orderId }: OrderCancelRequested, reversal: Reversal | undefined): Reversal | Problem {
  if (!reversal) return new Problem('bad_event', `There is no order ${orderId} that this customer has canceled.`);
  return reversal.isDone ? reversal : new Problem('unavailable', `The charge of order ${orderId} is being decided.`);
}
