import { newKey } from './api.ts';
import type { Customer } from './customers.ts';
import type { Shop } from './shop.ts';
import { looked } from './sizes.ts';
import { timeoutMs, until } from './until.ts';

/** Orders that are being placed. */
export interface Placing {
  /** How many were answered so far. */
  answered(): number;
  /** Resolves with the ids of all orders when all were accepted. */
  done: Promise<string[]>;
}

/**
 * Every customer orders so many pens, a few at a time, each until it is answered: what got no answer is asked again
 * with the same key, so exactly so many orders come of it.
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
  // a failure is reported by whoever awaits `done`, not as unhandled before
  all.catch(() => undefined);
  return { answered: () => ids.length, done: all.then(() => ids) };
}

/** Every customer orders so many pens and cancels each as soon as it is answered; gives the ids of the orders. */
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

/** How long it took, in milliseconds from `since`, until each of these orders was decided, and until each was told. */
export async function settledAndNotified(
  shop: Shop,
  orderIds: string[],
  since: number,
  withinMs = timeoutMs,
): Promise<{ decidedMs: number; notifiedMs: number }> {
  const none = async (what: string, violated: string, sql: string) => {
    let open: { subject: string }[] = [];
    const look = async () => (open = await shop.sql<{ subject: string }>(sql, [orderIds])).length === 0;
    await until(what, look, withinMs).catch((error: Error) => {
      looked(open.map(({ subject }) => ({ name: violated, subject })));
      throw error;
    });
  };
  await none(
    'every order is decided',
    'I4 every order is settled',
    `select wanted.id as subject
       from unnest($1::uuid[]) as wanted (id)
       left join ordering.orders o on o.id = wanted.id
      where coalesce(o.status, 'pending') = 'pending'`,
  );
  const decidedMs = Date.now() - since;
  await none(
    'every customer is told',
    'I5 each event is notified',
    `select wanted.id as subject
       from unnest($1::uuid[]) as wanted (id)
      where not exists (select from notifying.notifications n where n.order_id = wanted.id)`,
  );
  return { decidedMs, notifiedMs: Date.now() - since };
}

/**
 * Lets the mails come due now that a sender had in its hands when it, or its database, was killed. By themselves they
 * do so a minute after their notification, so that no living sender is overtaken; no test waits for that minute.
 */
export async function hurryMails(shop: Shop, killedAtMs: number): Promise<number> {
  const left = await shop.sql(
    `update notifying.notifications
        set due_at = clock_timestamp()
      where status = 'queued'
        and created_at < to_timestamp($1::float8 / 1000)
     returning id`,
    // what the database had begun for a killed sender, it may have finished a moment later
    [killedAtMs + 200],
  );
  return left.length;
}

/** How many of these orders are in each state. */
export async function outcomes(shop: Shop, orderIds: string[]): Promise<Record<string, number>> {
  const rows = await shop.sql<{ status: string; orders: number }>(
    'select status, count(*) as orders from ordering.orders where id = any ($1::uuid[]) group by status',
    [orderIds],
  );
  return Object.fromEntries(rows.map(({ status, orders }) => [status, orders]));
}
