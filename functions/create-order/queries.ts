import { orderColumns, orderItems, type NewOrder, type OrderRow } from '#api/orders.ts';
import { statement, type Database } from '#platform/database/database.ts';
import type { ShopEvent } from '#platform/events/event.ts';

/** An order as it was requested. */
export interface Draft extends NewOrder {
  id: string;
  userId: string;
  idempotencyKey: string;
  requestHash: Buffer;
  event: ShopEvent;
}

export interface PlacedOrder extends OrderRow {
  userId: string;
  idempotencyKey: string;
  requestHash: Buffer;
}

const keyColumns = (row: string) => `
         ${row}.user_id as "userId", ${row}.idempotency_key as "idempotencyKey", ${row}.request_hash as "requestHash"`;

const insert = statement<PlacedOrder>(
  'create-order.insert',
  `
  with draft as (
    select *
      from unnest($1::uuid[], $2::uuid[], $3::text[], $4::bytea[], $5::text[], $6::json[])
           as draft (id, user_id, idempotency_key, request_hash, event_id, event)
  ), priced as (
    select item.order_id, item.line, item.sku, p.name, item.quantity, p.price, p.currency
      from unnest($7::uuid[], $8::int[], $9::text[], $10::bigint[]) as item (order_id, line, sku, quantity)
      left join ordering.products p on p.sku = item.sku
  ), summed as (
    -- an unknown product has no price: its order is not placed
    select order_id, sum(quantity::numeric * price) as total, min(currency) as currency, count(*) as lines
      from priced
     group by order_id
    having bool_and(price is not null)
       and min(currency) = max(currency)
       and sum(quantity::numeric * price) between 1 and 9007199254740991
  ), placed as (
    insert into ordering.orders (id, user_id, idempotency_key, request_hash, total, currency, line_count)
    select draft.id, draft.user_id, draft.idempotency_key, draft.request_hash, summed.total, summed.currency,
           summed.lines
      from draft
      join summed on summed.order_id = draft.id
     order by draft.user_id, draft.idempotency_key
    on conflict do nothing
    returning *
  ), lines as (
    insert into ordering.order_lines (order_id, line, sku, name, quantity, unit_price)
    select priced.order_id, priced.line, priced.sku, priced.name, priced.quantity, priced.price
      from placed
      join priced on priced.order_id = placed.id
  ), stored as (
    insert into events.outbox (id, event)
    select draft.event_id, draft.event
      from placed
      join draft on draft.id = placed.id
  )
  select ${orderColumns('placed', orderItems('priced where order_id = placed.id', 'price'))}, ${keyColumns('placed')}
    from placed`,
);

/** Places orders, and inserts the outbox rows of their events; returns the orders that this statement placed. */
export function insertOrders({ many }: Database, drafts: Draft[]): Promise<PlacedOrder[]> {
  const items = drafts.flatMap(({ id, items: lines }) =>
    lines.map((item, index) => ({ ...item, id, line: index + 1 })),
  );
  return many(insert, [
    drafts.map(({ id }) => id),
    drafts.map(({ userId }) => userId),
    drafts.map(({ idempotencyKey }) => idempotencyKey),
    drafts.map(({ requestHash }) => requestHash),
    drafts.map(({ event }) => event.id),
    drafts.map(({ event }) => JSON.stringify(event)),
    items.map(({ id }) => id),
    items.map(({ line }) => line),
    items.map(({ sku }) => sku),
    items.map(({ quantity }) => quantity),
  ]);
}

const find = statement<PlacedOrder>(
  'create-order.find',
  `
  select ${orderColumns('o')}, ${keyColumns('o')}
    from unnest($1::uuid[], $2::text[]) as wanted (user_id, idempotency_key)
    join ordering.orders o on o.user_id = wanted.user_id and o.idempotency_key = wanted.idempotency_key`,
);

/** The orders that were placed with these customers' keys. */
export const findOrders = ({ many }: Database, drafts: Draft[]) =>
  many(find, [drafts.map(({ userId }) => userId), drafts.map(({ idempotencyKey }) => idempotencyKey)]);

const products = statement<{ sku: string }>(
  'create-order.prices',
  `
  select sku
    from ordering.products
   where sku = any ($1::text[])`,
);

/** Which of these products exist. */
export const findProducts = ({ many }: Database, skus: string[]) => many(products, [skus]);
