import { uuidv7 } from 'uuidv7';
import { orderPaid } from '#events/order-paid.ts';
import { orderPlaced } from '#events/order-placed.ts';
import { decideCharges } from '#functions/charge-account/queries.ts';
import { insertOrders, type Draft } from '#functions/create-order/queries.ts';
import { recordNotifications, type NewNotification } from '#functions/send-notification/queries.ts';
import { settleOrders } from '#functions/settle-order/queries.ts';
import type { Database } from '#platform/database/database.ts';
import { beginChain } from '#platform/events/event.ts';

/** Runs the statement of a function for many orders; returns a row for each. */
export type Run<Item> = (database: Database, items: Item[]) => Promise<object[]>;

/** Makes a step from a statement: serves one order alone, or with others. `key` is that of the function's batches. */
export type MakeStep = <Item extends { userId: string }>(
  key: (item: Item) => string,
  run: Run<Item>,
) => (item: Item) => Promise<unknown>;

interface OrderOf {
  orderId: string;
  userId: string;
}

/** The statements of the four functions of an order, without HTTP, tokens, events and mails. */
export function steps(step: MakeStep) {
  return {
    create: step<Draft>(({ id }) => id, insertOrders),
    charge: step<OrderOf>(({ userId }) => userId, decideCharges),
    settle: step<OrderOf>(
      ({ orderId }) => orderId,
      (its, orders) =>
        settleOrders(
          its,
          orders.map(({ orderId }) => ({ orderId, status: 'paid', reason: null })),
        ),
    ),
    notify: step<NewNotification>(({ eventId }) => eventId, recordNotifications),
  };
}

/** Takes an order of the cheapest product through all four. */
export async function place(
  { create, charge, settle, notify }: ReturnType<typeof steps>,
  userId: string,
): Promise<void> {
  const orderId = uuidv7();
  const event = beginChain(orderPlaced.create({ orderId, userId }));
  const items = [{ sku: 'pen', quantity: 1 }];
  await create({ id: orderId, userId, idempotencyKey: orderId, requestHash: Buffer.alloc(32), items, event });
  await charge({ orderId, userId });
  await settle({ orderId, userId });
  const { id: eventId, data: detail } = orderPaid.create({ orderId, userId, total: 100, currency: 'usd' });
  const subject = `Your order ${orderId} is confirmed`;
  const mail = { id: uuidv7(), eventId, userId, orderId, template: 'order-paid', subject, detail } as const;
  await notify({ ...mail, correlationId: event.id });
}
