import { many, statement } from '#platform/database/database.ts';

export interface Settlement {
  orderId: string;
  status: 'paid' | 'rejected' | 'refunded' | 'canceled';
  reason: string | null;
}

export interface OrderState {
  orderId: string;
  userId: string;
  status: 'pending' | 'paid' | 'rejected' | 'canceling' | 'canceled' | 'refunded';
  reason: string | null;
  total: number;
  currency: string;
  paidAt: Date | null;
  rejectedAt: Date | null;
  refundedAt: Date | null;
  canceledAt: Date | null;
}

const settle = statement<OrderState>(
  'settle-order.settle',
  `
  with locked as (
    select id
      from ordering.orders
     where id = any ($1::uuid[])
     order by id
       for update
  )
  update ordering.orders o
     set status = wanted.status,
         reason = wanted.reason,
         -- after a wait for a lock now() lies in the past
         paid_at = case wanted.status when 'paid' then clock_timestamp() else o.paid_at end,
         rejected_at = case wanted.status when 'rejected' then clock_timestamp() end,
         refunded_at = case wanted.status when 'refunded' then clock_timestamp() end,
         canceled_at = case wanted.status when 'canceled' then clock_timestamp() end
    from unnest($1::uuid[], $2::text[], $3::text[]) as wanted (order_id, status, reason)
    join locked on locked.id = wanted.order_id
   where o.id = wanted.order_id
     and o.status = case when wanted.status in ('paid', 'rejected') then 'pending' else 'canceling' end
  returning o.id as "orderId", o.user_id as "userId", o.status, o.reason, o.total, o.currency,
            o.paid_at as "paidAt", o.rejected_at as "rejectedAt", o.refunded_at as "refundedAt",
            o.canceled_at as "canceledAt"`,
);

/** Settles orders that are pending or canceling, as the step expects; returns those that this statement settled. */
export const settleOrders = (settlements: Settlement[]) =>
  many(settle, [
    settlements.map(({ orderId }) => orderId),
    settlements.map(({ status }) => status),
    settlements.map(({ reason }) => reason),
  ]);

const find = statement<OrderState>(
  'settle-order.find',
  `
  select id as "orderId", user_id as "userId", status, reason, total, currency,
         paid_at as "paidAt", rejected_at as "rejectedAt", refunded_at as "refundedAt", canceled_at as "canceledAt"
    from ordering.orders
   where id = any ($1::uuid[])`,
);

/** The orders as they are. */
export const findOrders = (settlements: Settlement[]) => many(find, [settlements.map(({ orderId }) => orderId)]);

const end = statement<{ id: string }>(
  'settle-order.end',
  `
  delete from events.outbox
   where id = $1::text`,
);

/** Ends a chain, so that its first event is not published again. */
export const endChain = (correlationId: string) => many(end, [correlationId]);
