import { many, maybeOne, one, statement } from '#platform/database.ts';
import type { PageRequest } from './paging.ts';

const ping = statement<{ ok: number }>('storefront.ping', 'select 1 as ok');

/** Whether the database answers. */
export const databaseAnswers = () =>
  one(ping).then(
    () => true,
    () => false,
  );

const user = statement<{ id: string; email: string; name: string; createdAt: Date }>(
  'storefront.user',
  `
  select id, email, name, created_at as "createdAt"
    from users.users
   where id = $1::uuid`,
);

export const findUser = (userId: string) => maybeOne(user, [userId]);

const account = statement<{ id: string; balance: number; currency: string; version: number; openedAt: Date }>(
  'storefront.account',
  `
  select id, balance::bigint, currency, version, opened_at as "openedAt"
    from billing.accounts
   where user_id = $1::uuid`,
);

export const findAccount = (userId: string) => maybeOne(account, [userId]);

interface Entry {
  id: string;
  kind: 'deposit' | 'charge' | 'refund';
  amount: number;
  balance: number;
  version: number;
  orderId: string | null;
  createdAt: Date;
}

const entries = statement<Entry>(
  'storefront.entries',
  `
  select t.id, t.kind, case t.kind when 'charge' then -t.amount::bigint else t.amount::bigint end as amount,
         t.balance_after::bigint as balance, t.account_version as version, t.order_id as "orderId",
         t.created_at as "createdAt"
    from billing.accounts a
    join billing.transfers t on t.account_id = a.id
   where a.user_id = $1::uuid
     and t.account_version < coalesce($2::bigint, 9223372036854775807)
   order by t.account_version desc
   limit $3::int`,
);

/** The movements on the caller's account, newest first; one more than asked for, if there is one. */
export const findEntries = (userId: string, { after, limit }: PageRequest<number>) =>
  many(entries, [userId, after, limit + 1]);

const products = statement<{ sku: string; name: string; price: number; currency: string }>(
  'storefront.products',
  `
  select sku, name, price, currency
    from ordering.products
   where sku > coalesce($1::text, '')
   order by sku
   limit $2::int`,
);

export const findProducts = ({ after, limit }: PageRequest<string>) => many(products, [after, limit + 1]);

interface Order {
  id: string;
  status: string;
  reason: string | null;
  total: number;
  currency: string;
  items: { sku: string; name: string; quantity: number; unitPrice: number }[];
  createdAt: Date;
  settledAt: Date | null;
}

const orderColumns = `
         o.id, o.status, o.reason, o.total, o.currency,
         (select json_agg(json_build_object('sku', sku, 'name', name, 'quantity', quantity, 'unitPrice', unit_price)
                          order by line)
            from ordering.order_lines
           where order_id = o.id) as items,
         o.created_at as "createdAt",
         case
           when o.status <> 'canceling' then coalesce(o.refunded_at, o.canceled_at, o.paid_at, o.rejected_at)
         end as "settledAt"`;

const orders = statement<Order>(
  'storefront.orders',
  `
  select ${orderColumns}
    from ordering.orders o
   where o.user_id = $1::uuid
     and o.id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
     and ($3::text is null or o.status = $3::text)
   order by o.id desc
   limit $4::int`,
);

/** The caller's orders, newest first. */
export const findOrders = (userId: string, status: string | null, { after, limit }: PageRequest<string>) =>
  many(orders, [userId, after, status, limit + 1]);

const order = statement<Order>(
  'storefront.order',
  `
  select ${orderColumns}
    from ordering.orders o
   where o.id = $2::uuid
     and o.user_id = $1::uuid`,
);

export const findOrder = (userId: string, orderId: string) => maybeOne(order, [userId, orderId]);

interface Notification {
  id: string;
  orderId: string | null;
  template: string;
  to: string;
  subject: string;
  status: 'queued' | 'sent' | 'failed';
  sentAt: Date | null;
  createdAt: Date;
}

const notifications = statement<Notification>(
  'storefront.notifications',
  `
  select id, order_id as "orderId", template, recipient as "to", subject, status, sent_at as "sentAt",
         created_at as "createdAt"
    from notifying.notifications
   where user_id = $1::uuid
     and id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
   order by id desc
   limit $3::int`,
);

const notificationsOfOrder = statement<Notification>(
  'storefront.notifications_of_order',
  `
  select id, order_id as "orderId", template, recipient as "to", subject, status, sent_at as "sentAt",
         created_at as "createdAt"
    from notifying.notifications
   where user_id = $1::uuid
     and id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
         -- facts of an order begin with its id, and "/" comes after "."
     and fact > $4::text || '.'
     and fact < $4::text || '/'
   order by id desc
   limit $3::int`,
);

/** What the caller was told, newest first; of one order if `orderId` is given. */
export const findNotifications = (userId: string, orderId: string | null, { after, limit }: PageRequest<string>) =>
  orderId === null
    ? many(notifications, [userId, after, limit + 1])
    : many(notificationsOfOrder, [userId, after, limit + 1, orderId]);

export interface Story {
  order: {
    id: string;
    total: number;
    currency: string;
    reason: string | null;
    createdAt: Date;
    paidAt: Date | null;
    rejectedAt: Date | null;
    cancelRequestedAt: Date | null;
    canceledAt: Date | null;
    refundedAt: Date | null;
  };
  charge: { outcome: string; reason: string | null; amount: number; currency: string; decidedAt: Date } | undefined;
  refund: { amount: number; currency: string; refundedAt: Date } | undefined;
  notifications: { id: string; template: string; correlationId: string; createdAt: Date; sentAt: Date | null }[];
}

const storyOrder = statement<Story['order']>(
  'storefront.story_order',
  `
  select id, total, currency, reason, created_at as "createdAt", paid_at as "paidAt", rejected_at as "rejectedAt",
         cancel_requested_at as "cancelRequestedAt", canceled_at as "canceledAt", refunded_at as "refundedAt"
    from ordering.orders
   where id = $2::uuid
     and user_id = $1::uuid`,
);

const storyCharge = statement<NonNullable<Story['charge']>>(
  'storefront.story_charge',
  `
  select outcome, reason, amount::bigint, currency, decided_at as "decidedAt"
    from billing.charges
   where order_id = $1::uuid`,
);

const storyRefund = statement<NonNullable<Story['refund']>>(
  'storefront.story_refund',
  `
  select amount::bigint, currency, created_at as "refundedAt"
    from billing.transfers
   where order_id = $1::uuid
     and kind = 'refund'`,
);

const storyNotifications = statement<Story['notifications'][number]>(
  'storefront.story_notifications',
  `
  select id, template, correlation_id as "correlationId", created_at as "createdAt", sent_at as "sentAt"
    from notifying.notifications
   where fact > $1::text || '.'
     and fact < $1::text || '/'`,
);

/** Everything that keeps a time of an order's story. */
export async function findStory(userId: string, orderId: string): Promise<Story | undefined> {
  const found = await maybeOne(storyOrder, [userId, orderId]);
  if (!found) return undefined;
  const [charge, refund, told] = await Promise.all([
    maybeOne(storyCharge, [orderId]),
    maybeOne(storyRefund, [orderId]),
    many(storyNotifications, [orderId]),
  ]);
  return { order: found, charge, refund, notifications: told };
}

interface DeadLetter {
  id: string;
  status: 'parked' | 'replaying' | 'done';
  verified: boolean;
  reason: string;
  detail: string;
  source: string;
  eventId: string;
  type: string;
  subject: string | null;
  correlationId: string | null;
  times: number;
  firstParkedAt: Date;
  lastParkedAt: Date;
  replayedAt: Date | null;
}

const deadLetters = statement<DeadLetter>(
  'storefront.dead_letters',
  `
  select d.id,
         -- derived, never written: what became of a replay is seen from the chain
         case
           when d.replayed_at is null or d.last_parked_at > d.replayed_at then 'parked'
           when exists (select from events.outbox o where o.id = d.correlation_id) then 'replaying'
           else 'done'
         end as status,
         d.verified, d.reason, d.detail, d.source, d.event_id as "eventId", d.type, d.subject,
         d.correlation_id as "correlationId", d.times, d.first_parked_at as "firstParkedAt",
         d.last_parked_at as "lastParkedAt", d.replayed_at as "replayedAt"
    from events.dead_letters d
   where d.id < coalesce($1::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
   order by d.id desc
   limit $2::int`,
);

/** Parked events, newest first. */
export const findDeadLetters = ({ after, limit }: PageRequest<string>) => many(deadLetters, [after, limit + 1]);

interface LedgerReport {
  accounts: number;
  transfers: number;
  differences: { accountId: string; balance: number; transferred: number; version: number; movements: number }[];
}

const ledger = statement<LedgerReport>(
  'storefront.ledger',
  `
  with moved as (
    select account_id, count(*) as movements,
           sum(case kind when 'charge' then -amount::bigint else amount::bigint end) as transferred
      from billing.transfers
     group by account_id
  ), compared as (
    select a.id, a.balance::bigint as balance, a.version, coalesce(m.movements, 0) as movements,
           coalesce(m.transferred, 0)::bigint as transferred
      from billing.accounts a
      left join moved m on m.account_id = a.id
  )
  select count(*) as accounts,
         coalesce(sum(movements), 0)::bigint as transfers,
         coalesce(json_agg(json_build_object('accountId', id, 'balance', balance, 'transferred', transferred,
                                             'version', version, 'movements', movements))
                    filter (where balance <> transferred or version <> movements), '[]') as differences
    from compared`,
);

/** Compares every balance with the sum of its transfers, and every version with their number. */
export const verifyLedger = () => one(ledger);
