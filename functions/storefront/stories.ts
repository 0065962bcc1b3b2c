import { many, maybeOne, one, statement } from '#platform/database.ts';

/** Everything of an order that keeps a time. */
export interface Story {
  order: StoryOrder;
  charge: Omit<StoryCharge, 'orderId'> | undefined;
  refund: Omit<StoryRefund, 'orderId'> | undefined;
  notifications: StoryNotification[];
}

interface StoryOrder {
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

interface StoryCharge {
  orderId: string;
  outcome: string;
  reason: string | null;
  amount: number;
  currency: string;
  decidedAt: Date;
}

interface StoryRefund {
  orderId: string;
  amount: number;
  currency: string;
  refundedAt: Date;
}

export interface StoryNotification {
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

const order = statement<StoryOrder>(
  'storefront.story_order',
  `
  select ${orderColumns}
    from ordering.orders
   where id = $2::uuid
     and user_id = $1::uuid`,
);

const notificationColumns = `
         id, user_id as "userId", order_id as "orderId", template, correlation_id as "correlationId",
         created_at as "createdAt", sent_at as "sentAt"`;

const notifications = statement<StoryNotification>(
  'storefront.story_notifications',
  `
  select ${notificationColumns}
    from notifying.notifications
   where fact > $1::text || '.'
     and fact < $1::text || '/'`,
);

/** The story of an order of this customer. */
export async function findStory(userId: string, orderId: string): Promise<Story | undefined> {
  const found = await maybeOne(order, [userId, orderId]);
  if (!found) return undefined;
  const [story] = await storiesOf([found], await many(notifications, [orderId]));
  return story;
}

const charges = statement<StoryCharge>(
  'storefront.story_charges',
  `
  select order_id as "orderId", outcome, reason, amount::bigint, currency, decided_at as "decidedAt"
    from billing.charges
   where order_id = any ($1::uuid[])`,
);

const refunds = statement<StoryRefund>(
  'storefront.story_refunds',
  `
  select order_id as "orderId", amount::bigint, currency, created_at as "refundedAt"
    from billing.transfers
   where order_id = any ($1::uuid[])
     and kind = 'refund'`,
);

async function storiesOf(orders: StoryOrder[], told: StoryNotification[]): Promise<Story[]> {
  if (orders.length === 0) return [];
  const ids = orders.map(({ id }) => id);
  const [charged, refunded] = await Promise.all([many(charges, [ids]), many(refunds, [ids])]);
  const chargeOf = new Map(charged.map((charge) => [charge.orderId, charge]));
  const refundOf = new Map(refunded.map((refund) => [refund.orderId, refund]));
  const toldOf = Map.groupBy(told, ({ orderId }) => orderId);
  return orders.map((its) => ({
    order: its,
    charge: chargeOf.get(its.id),
    refund: refundOf.get(its.id),
    notifications: toldOf.get(its.id) ?? [],
  }));
}

const clock = statement<{ now: Date }>('storefront.clock', 'select clock_timestamp() as now');

/** The database's clock, which all times here are of. */
export const databaseTime = async (): Promise<Date> => (await one(clock)).now;

const recentOrders = statement<StoryOrder>(
  'storefront.recent_orders',
  `
  select ${orderColumns}
    from ordering.orders o
   where user_id = any ($1::uuid[])
         -- of an order that is under way the charge may be new; of a settled one it is older than what settled it
     and (status in ('pending', 'canceling')
          or greatest(created_at, paid_at, rejected_at, cancel_requested_at, canceled_at, refunded_at) >= $2::timestamptz)`,
);

const recentNotifications = statement<StoryNotification>(
  'storefront.recent_notifications',
  `
  select ${notificationColumns}
    from notifying.notifications
   where user_id = any ($1::uuid[])
     and greatest(created_at, sent_at) >= $2::timestamptz`,
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
  select id, user_id as "userId", amount::bigint, currency, created_at as "createdAt"
    from billing.deposits
   where user_id = any ($1::uuid[])
     and created_at >= $2::timestamptz`,
);

/** Everything of these customers in which something has happened since then, and maybe more. */
export async function findRecent(userIds: string[], since: Date) {
  const which = [userIds, since];
  const [orders, told, accounts, deposits] = await Promise.all([
    many(recentOrders, which),
    many(recentNotifications, which),
    many(recentAccounts, which),
    many(recentDeposits, which),
  ]);
  return { stories: await storiesOf(orders, []), notifications: told, accounts, deposits };
}
