import { z } from 'zod';
import { orderCancelRequested } from '#events/order-cancel-requested.ts';
import { batch, decideOnce } from '#platform/database/batch.ts';
import { beginChain } from '#platform/events/event.ts';
import { orders } from '#platform/telemetry/metrics.ts';
import { onCustomerRequest } from '#platform/http/on-request.ts';
import { publish } from '#platform/events/outbox.ts';
import { Problem } from '#platform/http/problem.ts';
import { uuid } from '#platform/values/uuid.ts';
import { cancelOrders, findOrders, type Cancellation, type CancellationResult } from './queries.ts';

// runs next to the handler: publishes outbox rows that are due
export { relay as background } from '#platform/events/outbox.ts';

const idOf = ({ id }: { id: string }) => id;

/** Begins to cancel orders that are pending or paid; returns orders in any other state as they are. */
const cancel = batch<Cancellation, CancellationResult>({
  key: idOf,
  run: async (cancellations) => {
    const canceled = await decideOnce(cancellations, idOf, idOf, cancelOrders, findOrders);
    return cancellations.map(({ id }) => canceled.get(id) ?? new Problem('not_found', 'There is no such order.'));
  },
});

/** Cancels an order of the caller; `order.cancel_requested` then gets it refunded, or keeps it from being charged. */
export const handle = onCustomerRequest(z.object({ orderId: uuid }), async ({ body, caller, traceparent }) => {
  const { orderId } = body;
  const event = beginChain(orderCancelRequested.create({ orderId, userId: caller.id }), traceparent);
  const { isFirst, ...order } = await cancel({ id: orderId, userId: caller.id, event });
  if (order.status === 'rejected') {
    throw new Problem('order_not_cancelable', 'It was rejected, and nothing was charged.');
  }
  if (order.status === 'pending' || order.status === 'paid') {
    throw new Problem('unavailable', 'The order is being changed. Please try again.', { retryAfterSeconds: 1 });
  }
  if (isFirst) {
    orders.inc({ function: 'cancel-order', outcome: 'canceling' });
    await publish(event);
  }
  return { status: 202, body: order };
});
