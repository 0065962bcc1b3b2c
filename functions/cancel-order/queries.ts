import { orderColumns, type OrderRow } from '#api/orders.ts';
import { statement, type Database } from '#platform/database/database.ts';
import type { ShopEvent } from '#platform/events/event.ts';

/** A customer's request to cancel an order. */
export interface Cancellation {
  /** The order's id. */
  id: string;
  userId: string;
  event: ShopEvent;
}

export interface CancellationResult extends OrderRow {
  /** Whether this statement began to cancel it, not an earlier one. */
  isFirst: boolean;
}

const cancel = statement<CancellationResult>(
  'cancel-order.cancel',
  `
  with wanted as (
    select *
      from unnest($1::uuid[], $2::uuid[], $3::text[], $4::json[]) as wanted (order_id, user_id, event_id, event)
  ), locked as (
    select o.id, wanted.event_id, wanted.event
      from wanted
      join ordering.orders o on o.id = wanted.order_id and o.user_id = wanted.user_id
     order by o.id
       for update of o
  ), canceled as (
    update ordering.orders o
       set status = 'canceling',
           -- after a wait for a lock now() lies in the past
           cancel_requested_at = clock_timestamp()
      from locked
     where o.id = locked.id
       and o.status in ('pending', 'paid')
    returning o.*, locked.event_id, locked.event
  ), stored as (
    insert into events.outbox (id, event)
    select event_id, event
      from canceled
  )
  select ${orderColumns('o')}, true as "isFirst"
    from canceled o`,
);

/** Begins to cancel orders, and inserts the outbox rows of their events; returns those that this statement changed. */
export const cancelOrders = ({ many }: Database, cancellations: Cancellation[]) =>
  many(cancel, [
    cancellations.map(({ id }) => id),
    cancellations.map(({ userId }) => userId),
    cancellations.map(({ event }) => event.id),
    cancellations.map(({ event }) => JSON.stringify(event)),
  ]);

const find = statement<CancellationResult>(
  'cancel-order.find',
  `
  select ${orderColumns('o')}, false as "isFirst"
    from unnest($1::uuid[], $2::uuid[]) as wanted (order_id, user_id)
    join ordering.orders o on o.id = wanted.order_id and o.user_id = wanted.user_id`,
);

/** The customers' orders as they are. */
export const findOrders = ({ many }: Database, cancellations: Cancellation[]) =>
  many(find, [cancellations.map(({ id }) => id), cancellations.map(({ userId }) => userId)]);
