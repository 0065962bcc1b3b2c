import { chargeRefunded } from '#events/charge-refunded.ts';
import { chargeVoided } from '#events/charge-voided.ts';
import { orderCancelRequested, type OrderCancelRequested } from '#events/order-cancel-requested.ts';
import { batch, decideOnce } from '#platform/database/batch.ts';
import type { Database } from '#platform/database/database.ts';
import { onEvent } from '#platform/events/on-event.ts';
import { Problem } from '#platform/http/problem.ts';
import { findReversals, refundCharges, voidCharges, type Reversal } from './queries.ts';

const orderOf = ({ orderId }: { orderId: string }) => orderId;

/** Refunds a canceled order, or makes sure that it is never charged. A repeated event gets the first result. */
export const handle = onEvent(orderCancelRequested, ({ database }) => {
  const keys = { database, keyOf: orderOf, rowKeyOf: orderOf };

  /** Refunds the orders that are charged already, each once. */
  const refund = async (_database: Database, items: OrderCancelRequested[]) => {
    const refunds = await decideOnce({ ...keys, items, decide: refundCharges, reread: findReversals });
    return [...refunds.values()];
  };

  /**
   * Reverses the charge of a canceled order, once: decides it as declined if it is not decided yet, so that the order is never
   * charged, and refunds it otherwise. A batch holds at most one order per account, so that every refund sees the balance that
   * the previous one left.
   */
  const reverse = batch<OrderCancelRequested, Reversal>({
    key: ({ userId }) => userId,
    run: async (items) => {
      const reversals = await decideOnce({ ...keys, items, decide: voidCharges, reread: refund });
      return items.map((order) => doneOrProblem(order, reversals.get(order.orderId)));
    },
  });

  return async (order) => {
    const { orderId, userId, accountId, amount, currency, at } = await reverse(order);
    return accountId === null
      ? chargeVoided.create({ orderId, userId }, at)
      : chargeRefunded.create({ orderId, userId, accountId, amount, currency }, at);
  };
});

function doneOrProblem({ orderId }: OrderCancelRequested, reversal: Reversal | undefined): Reversal | Problem {
  if (!reversal) return new Problem('bad_event', `There is no order ${orderId} that this customer has canceled.`);
  return reversal.isDone ? reversal : new Problem('unavailable', `The charge of order ${orderId} is being decided.`);
}
