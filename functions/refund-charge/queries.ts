import { uuidv7 } from 'uuidv7';
import type { OrderCancelRequested } from '#events/order-cancel-requested.ts';
import { many, statement } from '#platform/database/database.ts';

/** What became of the charge of a canceled order. */
export interface Reversal {
  orderId: string;
  userId: string;
  /** The account that was refunded; null if the order was not charged, and never will be. */
  accountId: string | null;
  amount: number;
  currency: string;
  at: Date;
  /** False only while another process decides. */
  isDone: boolean;
}

const voiding = statement<Reversal>(
  'refund-charge.void',
  `
  insert into billing.charges (order_id, user_id, amount, currency, outcome, reason)
  select o.id, o.user_id, o.total, o.currency, 'declined', 'order_canceled'
    from unnest($1::uuid[], $2::uuid[]) as wanted (order_id, user_id)
    join ordering.orders o on o.id = wanted.order_id and o.user_id = wanted.user_id
   where o.status = 'canceling'
   order by o.id
  on conflict do nothing
  returning order_id as "orderId", user_id as "userId", null::uuid as "accountId", amount, currency,
            decided_at as at, true as "isDone"`,
);

/** Decides undecided charges as declined, so that they never can be made; returns the decisions of this statement. */
export const voidCharges = (orders: OrderCancelRequested[]) =>
  many(voiding, [orders.map(({ orderId }) => orderId), orders.map(({ userId }) => userId)]);

const refund = statement<Reversal>(
  'refund-charge.refund',
  `
  with charged as (
    select c.order_id, c.account_id, c.amount, c.currency, wanted.transfer_id
      from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as wanted (order_id, user_id, transfer_id)
      join ordering.orders o on o.id = wanted.order_id and o.user_id = wanted.user_id
      join billing.charges c on c.order_id = o.id
     where o.status = 'canceling'
       and c.outcome = 'succeeded'
  ), account as (
    select a.id, a.user_id, a.balance, a.version
      from billing.accounts a
     where a.id in (select account_id from charged)
       -- every statement locks accounts in this order: two batches never wait for each other
     order by a.id
       for update
  ), refunded as (
    -- the deciding insert: what an earlier delivery has refunded is not refunded again
    insert into billing.transfers (id, kind, debit_account_id, credit_account_id, amount, currency, order_id,
                                   account_version, balance_after)
    select charged.transfer_id, 'refund', '00000000-0000-0000-0000-000000000002', account.id,
           charged.amount, charged.currency, charged.order_id, account.version + 1, account.balance + charged.amount
      from charged
      join account on account.id = charged.account_id
    on conflict (order_id) where kind = 'refund' do nothing
    returning *
  ), returned as (
    update billing.accounts a
       set balance = a.balance + refunded.amount,
           version = a.version + 1
      from refunded
     where a.id = refunded.account_id
  )
  select refunded.order_id as "orderId", account.user_id as "userId", account.id as "accountId",
         refunded.amount, refunded.currency, refunded.created_at as at, true as "isDone"
    from refunded
    join account on account.id = refunded.account_id`,
);

/** Refunds the orders that were charged; returns the refunds of this statement. Takes at most one order a customer. */
export const refundCharges = (orders: OrderCancelRequested[]) =>
  many(refund, [orders.map(({ orderId }) => orderId), orders.map(({ userId }) => userId), orders.map(() => uuidv7())]);

const find = statement<Reversal>(
  'refund-charge.find',
  `
  select o.id as "orderId", o.user_id as "userId", t.account_id as "accountId", o.total as amount, o.currency,
         -- a charge may have been declined before the customer canceled
         coalesce(t.created_at, greatest(c.decided_at, o.cancel_requested_at)) as at,
         t.id is not null or coalesce(c.outcome = 'declined', false) as "isDone"
    from unnest($1::uuid[], $2::uuid[]) as wanted (order_id, user_id)
    join ordering.orders o on o.id = wanted.order_id and o.user_id = wanted.user_id
    left join billing.charges c on c.order_id = o.id
    left join billing.transfers t on t.order_id = o.id and t.kind = 'refund'
   where o.cancel_requested_at is not null`,
);

/** What earlier statements decided on these orders' charges. */
export const findReversals = (orders: OrderCancelRequested[]) =>
  many(find, [orders.map(({ orderId }) => orderId), orders.map(({ userId }) => userId)]);
