import { orderColumns, sku, type orderRoutes, type OrderRow } from '#api/orders.ts';
import { statement, type Database } from '#platform/database/database.ts';
import { page, position, type Page, type PageRequest, type Position } from '../http/paging.ts';
import type { RouteHandlers } from '../http/routes.ts';
import { findDeliveries } from './deliveries.ts';
import { findHistory } from './histories.ts';
import { timeline } from './timeline.ts';

const products = statement<{ sku: string; name: string; price: number; currency: string }>(
  'storefront.products',
  `
  select sku, name, price, currency
    from ordering.products
   where sku > coalesce($1::text, '')
   order by sku
   limit $2::int`,
);

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

const ordersById = statement<OrderRow>(
  'storefront.orders',
  `
  select ${orderColumns('o')}
    from ordering.orders o
   where o.id = any ($1::uuid[])`,
);

const order = statement<OrderRow>(
  'storefront.order',
  `
  select ${orderColumns('o')}
    from ordering.orders o
   where o.id = $2::uuid
     and o.user_id = $1::uuid`,
);

export const orderHandlers = (database: Database): RouteHandlers<typeof orderRoutes> => ({
  listProducts: async ({ page: requested }) => {
    const wanted = requested(sku);
    return page(await database.many(products, [wanted.after, wanted.limit + 1]), wanted, ({ sku: last }) => last);
  },

  listOrders: ({ caller, query: { status = null }, page: requested }) =>
    findOrders(database, { userId: caller.id, status }, requested(position)),

  getOrder: async ({ caller, id, notFound }) => (await database.maybeOne(order, [caller.id, id])) ?? notFound(),

  // no body: the path names the order
  cancelOrder: ({ id, forward }) => forward({ orderId: id }),

  getTimeline: async ({ caller, id, notFound }) => {
    const history = (await findHistory(database, caller.id, id)) ?? notFound();
    return { data: timeline(history, await findDeliveries(database, history.order.id)) };
  },
});

/** The bounds of a page's cost: how many orders are read to find those of a status, and how many lines it has. */
export const bounds = { orders: 1_000, lines: 200 };

/**
 * A page of the caller's orders, newest first. It ends early where its orders would have too many lines in all, or where
 * too many orders of another status were read; the cursor goes on there.
 */
export async function findOrders(
  { many }: Database,
  { userId, status }: { userId: string; status: string | null },
  { after, limit, cursorOf }: PageRequest<Position>,
): Promise<Page<OrderRow>> {
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
