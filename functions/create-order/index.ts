import { uuidv7 } from 'uuidv7';
import { newOrder } from '#api/orders.ts';
import { orderPlaced } from '#events/order-placed.ts';
import { batch, decideOnce } from '#platform/database/batch.ts';
import type { Database } from '#platform/database/database.ts';
import { beginChain } from '#platform/events/event.ts';
import { orders } from '#platform/telemetry/metrics.ts';
import { onCommand } from '#platform/http/on-request.ts';
import { Problem } from '#platform/http/problem.ts';
import { findOrders, findProducts, insertOrders, type Draft, type PlacedOrder } from './queries.ts';

const keyOf = ({ userId, idempotencyKey }: { userId: string; idempotencyKey: string }) => `${userId} ${idempotencyKey}`;

/** Accepts an order, once per `Idempotency-Key`; `order.placed` then gets it charged. Prices come from the database. */
export const handle = onCommand(newOrder, ({ database, outbox, clock }) => {
  /** Places an order; a key that was used before returns the order that it placed. */
  const placeOrder = batch<Draft, PlacedOrder>({
    key: keyOf,
    run: async (drafts) => {
      const decision = { database, items: drafts, keyOf, rowKeyOf: keyOf, decide: insertOrders, reread: findOrders };
      const placed = await decideOnce(decision);
      return Promise.all(drafts.map(async (draft) => placed.get(keyOf(draft)) ?? explainRejection(database, draft)));
    },
  });

  return async ({ body, caller, idempotencyKey, requestHash, traceparent }) => {
    const id = uuidv7();
    const placed = orderPlaced.create({ orderId: id, userId: caller.id });
    const event = beginChain(placed, { now: clock.now(), traceparent });
    const order = await placeOrder({ id, userId: caller.id, idempotencyKey, requestHash, event, ...body });
    if (!order.requestHash.equals(requestHash)) {
      throw new Problem('idempotency_key_reused', 'Use a new key for a new order.');
    }
    if (order.id === id) {
      orders.inc({ function: 'create-order', outcome: 'pending' });
      await outbox.publish(event);
    }
    return { status: 202, headers: { location: `/v1/orders/${order.id}` }, body: response(order) };
  };
});

// a repetition gets the first response, whatever the status of the order is by then
function response({ userId: _user, idempotencyKey: _key, requestHash: _hash, ...order }: PlacedOrder) {
  return { ...order, status: 'pending', reason: null, settledAt: null };
}

async function explainRejection(database: Database, { items }: Draft): Promise<Problem> {
  const known = new Set(
    (
      await findProducts(
        database,
        items.map(({ sku }) => sku),
      )
    ).map(({ sku }) => sku),
  );
  const errors = items.flatMap(({ sku }, index) =>
    known.has(sku) ? [] : [{ field: `items.${index}.sku`, message: `There is no product "${sku}".` }],
  );
  if (errors.length > 0) return new Problem('unknown_sku', 'GET /v1/products lists all products.', { errors });
  return new Problem('order_too_large', 'The total must be between 1 and 2^53 - 1 minor units, in one currency.');
}
