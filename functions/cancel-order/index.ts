import { z } from 'zod';
import { orderCancelRequested } from '#events/order-cancel-requested.ts';
import { batch, decideOnce } from '#platform/database/batch.ts';
import { beginChain } from '#platform/events/event.ts';
import { orders } from '#platform/telemetry/metrics.ts';
import { onCustomerRequest } from '#platform/http/on-request.ts';
import { Problem } from '#platform/http/problem.ts';
import { uuid } from '#platform/values/uuid.ts';
import { cancelOrders, findOrders, type Cancellation, type CancellationResult } from './queries.ts';

const idOf = ({ id }: { id: string }) => id;

/** Cancels an order of the caller; `order.cancel_requested` then gets it refunded, or keeps it from being charged. */
export const handle = onCustomerRequest(z.object({ orderId: uuid }), ({ database, outbox, clock }) => {
  /** Begins to cancel orders that are pending or paid; returns orders in any other state as they are. */
  const cancel = batch<Cancellation, CancellationResult>({
    key: idOf,
    run: async (items) => {
      const decision = { database, items, keyOf: idOf, rowKeyOf: idOf, decide: cancelOrders, reread: findOrders };
      const canceled = await decideOnce(decision);
      return items.map(({ id }) => canceled.get(id) ?? new Problem('not_found', 'There is no such order.'));
    },
  });

  return async ({ body: { orderId }, caller, traceparent }) => {
    const requested = orderCancelRequested.create({ orderId, userId: caller.id });
    const event = beginChain(requested, { now: clock.now(), traceparent });
    const { isFirst, ...order } = await cancel({ id: orderId, userId: caller.id, event });
    if (order.status === 'rejected') {
      throw new Problem('order_not_cancelable', 'It was rejected, and nothing was charged.');
    }
    if (order.status === 'pending' || order.status === 'paid') {
      throw new Problem('unavailable', 'The order is being changed. Please try again.', { retryAfterSeconds: 1 });
    }
    if (isFirst) {
      orders.inc({ function: 'cancel-order', outcome: 'canceling' });
      await outbox.publish(event);
    }
    return { status: 202, body: order };
  };
});
