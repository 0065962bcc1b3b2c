import { newKey } from './api.ts';
import type { Customer } from './customers.ts';
import type { Shop } from './shop.ts';
import { recordCheck } from './sizes.ts';
import { timeoutMs, until } from './until.ts';

/** Orders that are being placed. */
export interface Placing {
  /** The number of orders accepted so far. */
  accepted(): number;
  /** Resolves with the ids of all orders when all were accepted. */
  done: Promise<string[]>;
}

/**
 * Every customer places `ordersEach` orders of one pen, `atATime` of all orders in parallel. A request without a response is
 * retried with the same key, so that exactly this many orders result.
 */
export function placeOrders(customers: Customer[], ordersEach: number, atATime = 20): Placing {
  const keys = Array.from({ length: ordersEach }, () =>
    customers.map((customer) => ({ customer, key: newKey() })),
  ).flat();
  const ids: string[] = [];
  const queue = keys.values();
  const one = async () => {
    for (const { customer, key } of queue) ids.push((await customer.order('pen', 1, key)).id);
  };
  const all = Promise.all(Array.from({ length: atATime }, one));
  // a failure is reported where `done` is awaited, not as an unhandled rejection before
  all.catch(() => undefined);
  return { accepted: () => ids.length, done: all.then(() => ids) };
}

/** Every customer places `ordersEach` orders and cancels each once it is accepted; returns the ids of the orders. */
export function placeAndCancel(customers: Customer[], ordersEach: number): Promise<string[]> {
  const orders = customers.flatMap((customer) =>
    Array.from({ length: ordersEach }, async () => {
      const { id } = await customer.order('pen');
      await customer.cancel(id);
      return id;
    }),
  );
  return Promise.all(orders);
}

/** The milliseconds from `since` until all of these orders were settled, and until all were notified. */
export async function settledAndNotified(
  shop: Shop,
  orderIds: string[],
  since: number,
  withinMs = timeoutMs,
): Promise<{ settledMs: number; notifiedMs: number }> {
  const none = async (what: string, violated: string, sql: string) => {
    let open: { subject: string }[] = [];
    const check = async () => (open = await shop.sql<{ subject: string }>(sql, [orderIds])).length === 0;
    await until(what, check, withinMs).catch((error: Error) => {
      recordCheck(open.map(({ subject }) => ({ name: violated, subject })));
      throw error;
    });
  };
  await none(
    'every order is settled',
    'I4 every order is settled',
    `select expected.id as subject
       from unnest($1::uuid[]) as expected (id)
       left join ordering.orders o on o.id = expected.id
      where coalesce(o.status, 'pending') = 'pending'`,
  );
  const settledMs = Date.now() - since;
  await none(
    'every order is notified',
    'I5 each event is notified',
    `select expected.id as subject
       from unnest($1::uuid[]) as expected (id)
      where not exists (select from notifying.notifications n where n.order_id = expected.id)`,
  );
  return { settledMs, notifiedMs: Date.now() - since };
}

/**
 * Makes the mails due now that were in flight when their sender, or its database, was killed; returns their number. They come
 * due one minute after their notification, so that no living sender is overtaken: too long for a test.
 */
export async function hurryMails(shop: Shop, killedAtMs: number): Promise<number> {
  const due = await shop.sql(
    `update notifying.notifications
        set due_at = clock_timestamp()
      where status = 'queued'
        and created_at < to_timestamp($1::float8 / 1000)
     returning id`,
    // the database may finish a statement of a killed sender shortly after the kill
    [killedAtMs + 200],
  );
  return due.length;
}

/** The number of these orders in each state. */
export async function outcomes(shop: Shop, orderIds: string[]): Promise<Record<string, number>> {
  const rows = await shop.sql<{ status: string; orders: number }>(
    'select status, count(*) as orders from ordering.orders where id = any ($1::uuid[]) group by status',
    [orderIds],
  );
  return Object.fromEntries(rows.map(({ status, orders }) => [status, orders]));
}
