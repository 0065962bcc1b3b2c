import { many, maybeOne, one, statement } from '#platform/database/database.ts';
import { page, type Page, type PageRequest, type Position } from '#functions/storefront/http/paging.ts';

const ping = statement<{ ok: number }>('storefront.ping', 'select 1 as ok');

/** Whether the database answers. */
export const isDatabaseReachable = () =>
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

interface ListedOrder {
  id: string;
  position: string;
  status: string;
  lines: number;
}

const orderList = statement<ListedOrder>(
  'storefront.order_list',
  `
  select o.id, o.created_at::text as position, o.status,
         coalesce(o.line_count, (select count(*) from ordering.order_lines where order_id = o.id)) as lines
    from ordering.orders o
   where o.user_id = $1::uuid
     and (o.created_at, o.id)
         < (coalesce($2::timestamptz, 'infinity'), coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
   order by o.created_at desc, o.id desc
   limit $4::int`,
);

const ordersById = statement<Order>(
  'storefront.orders',
  `
  select ${orderColumns}
    from ordering.orders o
   where o.id = any ($1::uuid[])`,
);

/** How many orders are read to find those of a status, and how many lines a page has: the cost of a page is bounded. */
export const bounds = { orders: 1_000, lines: 200 };

/**
 * A page of the caller's orders, newest first. It ends early where its orders would have too many lines in all, or where
 * too many orders of another status were read; the cursor goes on there.
 */
export async function findOrders(
  userId: string,
  status: string | null,
  { after, limit, cursorOf }: PageRequest<Position>,
): Promise<Page<Order>> {
  const maxRows = status === null ? limit + 1 : bounds.orders;
  const listed = await many(orderList, [userId, ...(after ?? [null, null]), maxRows]);
  const chosen: ListedOrder[] = [];
  let last: ListedOrder | undefined;
  let lines = 0;
  for (const each of listed) {
    const isWanted = status === null || each.status === status;
    const fits = chosen.length < limit && (chosen.length === 0 || lines + each.lines <= bounds.lines);
    if (isWanted && !fits) break;
    last = each;
    if (!isWanted) continue;
    chosen.push(each);
    lines += each.lines;
  }
  const isAll = listed.length < maxRows && last === listed.at(-1);
  const found = await many(ordersById, [chosen.map(({ id }) => id)]);
  const orders = new Map(found.map((its) => [its.id, its]));
  return {
    data: chosen.flatMap(({ id }) => orders.get(id) ?? []),
    nextCursor: isAll || !last ? null : cursorOf([last.position, last.id]),
  };
}

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

interface ListedNotification extends Notification {
  position: string;
}

const notificationColumns = `
         id, order_id as "orderId", template, recipient as "to", subject, status, sent_at as "sentAt",
         created_at as "createdAt", created_at::text as position`;

const afterPosition = `
         (created_at, id)
         < (coalesce($2::timestamptz, 'infinity'), coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))`;

const notifications = statement<ListedNotification>(
  'storefront.notifications',
  `
  select ${notificationColumns}
    from notifying.notifications
   where user_id = $1::uuid
     and ${afterPosition}
   order by created_at desc, id desc
   limit $4::int`,
);

const notificationsOfOrder = statement<ListedNotification>(
  'storefront.notifications_of_order',
  `
  select ${notificationColumns}
    from notifying.notifications
   where user_id = $1::uuid
     and ${afterPosition}
         -- facts of an order begin with its id, and "/" comes after "."
     and event_id > $5::text || '.'
     and event_id < $5::text || '/'
   order by created_at desc, id desc
   limit $4::int`,
);

/** A page of what the caller was notified of, newest first; of one order if `orderId` is given. */
export async function findNotifications(
  userId: string,
  orderId: string | null,
  wanted: PageRequest<Position>,
): Promise<Page<Notification>> {
  const values = [userId, ...(wanted.after ?? [null, null]), wanted.limit + 1];
  const rows = await (orderId === null
    ? many(notifications, values)
    : many(notificationsOfOrder, [...values, orderId]));
  const { data, nextCursor } = page(rows, wanted, ({ position, id }): Position => [position, id]);
  return { data: data.map(({ position: _position, ...notification }) => notification), nextCursor };
}
