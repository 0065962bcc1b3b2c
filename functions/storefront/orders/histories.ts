import { statement, type Database } from '#platform/database/database.ts';

/** Everything of an order that has a time. */
export interface OrderHistory {
  order: HistoryOrder;
  charge: Omit<HistoryCharge, 'orderId'> | undefined;
  refund: Omit<HistoryRefund, 'orderId'> | undefined;
  notifications: HistoryNotification[];
}

interface HistoryOrder {
  id: string;
  userId: string;
  total: number;
  currency: string;
  reason: string | null;
  createdAt: Date;
  paidAt: Date | null;
  rejectedAt: Date | null;
  cancelRequestedAt: Date | null;
  canceledAt: Date | null;
  refundedAt: Date | null;
}

interface HistoryCharge {
  orderId: string;
  outcome: string;
  reason: string | null;
  amount: number;
  currency: string;
  decidedAt: Date;
}

interface HistoryRefund {
  orderId: string;
  amount: number;
  currency: string;
  refundedAt: Date;
}

export interface HistoryNotification {
  id: string;
  userId: string;
  orderId: string | null;
  template: string;
  correlationId: string;
  createdAt: Date;
  sentAt: Date | null;
}

const orderColumns = `
         id, user_id as "userId", total, currency, reason, created_at as "createdAt", paid_at as "paidAt",
         rejected_at as "rejectedAt", cancel_requested_at as "cancelRequestedAt", canceled_at as "canceledAt",
         refunded_at as "refundedAt"`;

const order = statement<HistoryOrder>(
  'storefront.history_order',
  `
  select ${orderColumns}
    from ordering.orders
   where id = $2::uuid
     and user_id = $1::uuid`,
);

const notificationColumns = `
         id, user_id as "userId", order_id as "orderId", template, correlation_id as "correlationId",
         created_at as "createdAt", sent_at as "sentAt"`;

const notifications = statement<HistoryNotification>(
  'storefront.history_notifications',
  `
  select ${notificationColumns}
    from notifying.notifications
   where event_id > $1::text || '.'
     and event_id < $1::text || '/'`,
);

/** The history of an order of this customer. */
export async function findHistory(
  database: Database,
  userId: string,
  orderId: string,
): Promise<OrderHistory | undefined> {
  const found = await database.maybeOne(order, [userId, orderId]);
  if (!found) return undefined;
  const [history] = await historiesOf(database, [found], await database.many(notifications, [orderId]));
  return history;
}

const charges = statement<HistoryCharge>(
  'storefront.history_charges',
  `
  select order_id as "orderId", outcome, reason, amount::bigint, currency, decided_at as "decidedAt"
    from billing.charges
   where order_id = any ($1::uuid[])`,
);

const refunds = statement<HistoryRefund>(
  'storefront.history_refunds',
  `
  select order_id as "orderId", amount::bigint, currency, created_at as "refundedAt"
    from billing.transfers
   where order_id = any ($1::uuid[])
     and kind = 'refund'`,
);

async function historiesOf(
  { many }: Database,
  orders: HistoryOrder[],
  notified: HistoryNotification[],
): Promise<OrderHistory[]> {
  if (orders.length === 0) return [];
  const ids = orders.map(({ id }) => id);
  const [charged, refunded] = await Promise.all([many(charges, [ids]), many(refunds, [ids])]);
  const chargeOf = new Map(charged.map((charge) => [charge.orderId, charge]));
  const refundOf = new Map(refunded.map((refund) => [refund.orderId, refund]));
  const notificationsOf = Map.groupBy(notified, ({ orderId }) => orderId);
  return orders.map((its) => ({
    order: its,
    charge: chargeOf.get(its.id),
    refund: refundOf.get(its.id),
    notifications: notificationsOf.get(its.id) ?? [],
  }));
}

const clock = statement<{ now: Date }>('storefront.clock', 'select clock_timestamp() as now');

/** The time of the database, whose clock all times here are of. */
export const databaseTime = async ({ one }: Database): Promise<Date> => (await one(clock)).now;

// Reads by the database's times, with a bounded number of rows per customer. Late changes – an order that is settled, a mail
// that is sent – are found among the newest of the last two hours, and by the notifications.
const lateRows = 200;
const lateInterval = '2 hours';

const recentOrders = statement<HistoryOrder>(
  'storefront.recent_orders',
  `
  with found as (
    select o.id
      from unnest($1::uuid[]) as w (user_id)
     cross join lateral (
       select id
         from ordering.orders
        where user_id = w.user_id
          and created_at >= $2::timestamptz
        order by created_at desc
        limit $3::int) as o
    union
    select o.id
      from unnest($1::uuid[]) as w (user_id)
     cross join lateral (
       select id, status, greatest(paid_at, rejected_at, canceled_at, refunded_at) as settled_at
         from ordering.orders
        where user_id = w.user_id
          and created_at < $2::timestamptz
          and created_at > $2::timestamptz - interval '${lateInterval}'
        order by created_at desc
        limit ${lateRows}) as o
           -- of an order in flight the charge may be new; of a settled one it is older than what settled it
     where o.status in ('pending', 'canceling')
        or o.settled_at >= $2::timestamptz
    union
    select o.id
      from unnest($1::uuid[]) as w (user_id)
     cross join lateral (
       select id
         from ordering.orders
        where user_id = w.user_id
          and cancel_requested_at >= $2::timestamptz
        order by cancel_requested_at desc
        limit $3::int) as o
    union
    select n.order_id
      from unnest($1::uuid[]) as w (user_id)
     cross join lateral (
       select order_id
         from notifying.notifications
        where user_id = w.user_id
          and created_at >= $2::timestamptz
        order by created_at desc
        limit $3::int) as n
  )
  select ${orderColumns}
    from ordering.orders
         -- an array, not a join: planned while the table was small, a join walks through all of it
   where id = any (array(select id from found))`,
);

const recentNotifications = statement<HistoryNotification>(
  'storefront.recent_notifications',
  `
  select ${notificationColumns.replaceAll('user_id', 'n.user_id')}
    from unnest($1::uuid[]) as w (user_id)
   cross join lateral (
     (select *
        from notifying.notifications
       where user_id = w.user_id
         and created_at >= $2::timestamptz
       order by created_at desc
       limit $3::int)
     union all
     (select *
        from (select *
                from notifying.notifications
               where user_id = w.user_id
                 and created_at < $2::timestamptz
                 and created_at > $2::timestamptz - interval '${lateInterval}'
               order by created_at desc
               limit ${lateRows}) as late
       where sent_at >= $2::timestamptz)) as n`,
);

export interface AccountOpening {
  id: string;
  userId: string;
  openedAt: Date;
}

const recentAccounts = statement<AccountOpening>(
  'storefront.recent_accounts',
  `
  select id, user_id as "userId", opened_at as "openedAt"
    from billing.accounts
   where user_id = any ($1::uuid[])
     and opened_at >= $2::timestamptz`,
);

export interface Deposit {
  id: string;
  userId: string;
  amount: number;
  currency: string;
  createdAt: Date;
}

const recentDeposits = statement<Deposit>(
  'storefront.recent_deposits',
  `
  select d.id, d.user_id as "userId", d.amount::bigint, d.currency, d.created_at as "createdAt"
    from unnest($1::uuid[]) as w (user_id)
   cross join lateral (
     select *
       from billing.deposits
      where user_id = w.user_id
        and created_at >= $2::timestamptz
      order by created_at desc
      limit $3::int) as d`,
);

/** Which changes are read. */
export interface Recent {
  userIds: string[];
  since: Date;
  /** Of each kind per customer. */
  maxRows: number;
}

/**
 * Everything of these customers that changed since then, and maybe more; up to `maxRows` of each kind per customer. `cut`
 * are the customers with more.
 */
export async function findRecent(database: Database, { userIds, since, maxRows }: Recent) {
  const { many } = database;
  const which = [userIds, since, maxRows];
  const [orders, notified, accounts, deposits] = await Promise.all([
    many(recentOrders, which),
    many(recentNotifications, which),
    many(recentAccounts, which.slice(0, 2)),
    many(recentDeposits, which),
  ]);
  const cut = new Set(
    [
      orders.filter(({ createdAt }) => createdAt >= since),
      orders.filter(({ cancelRequestedAt }) => cancelRequestedAt && cancelRequestedAt >= since),
      notified.filter(({ createdAt }) => createdAt >= since),
      deposits,
    ].flatMap((rows) => withMore(rows, maxRows)),
  );
  return { histories: await historiesOf(database, orders, []), notifications: notified, accounts, deposits, cut };
}

/** The customers with as many rows as are read of one. */
function withMore(rows: { userId: string }[], maxRows: number): string[] {
  if (rows.length < maxRows) return [];
  return [...Map.groupBy(rows, ({ userId }) => userId)].flatMap(([userId, own]) =>
    own.length >= maxRows ? [userId] : [],
  );
}
