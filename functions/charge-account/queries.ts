import { uuidv7 } from 'uuidv7';
import type { ChargeDeclined } from '#events/charge-declined.ts';
import type { OrderPlaced } from '#events/order-placed.ts';
import { many, statement } from '#platform/database/database.ts';

/** A decision: declined if there is a reason. */
export interface Charge {
  orderId: string;
  userId: string;
  accountId: string | null;
  amount: number;
  currency: string;
  reason: ChargeDeclined['reason'] | null;
  decidedAt: Date;
}

const decide = statement<Charge>(
  'charge-account.decide',
  `
  with wanted as (
    select *
      from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as wanted (order_id, user_id, transfer_id)
  ), placed as (
    -- the total and the status come from the order's row, not from the event
    select o.id as order_id, o.user_id, o.total, o.currency, o.status, o.created_at, wanted.transfer_id
      from wanted
      join ordering.orders o on o.id = wanted.order_id and o.user_id = wanted.user_id
  ), account as (
    select a.id, a.user_id, a.currency, a.balance
      from billing.accounts a
     where a.user_id = any ($2::uuid[])
       -- every statement locks accounts in this order: two batches never wait for each other
     order by a.id
       for update
  ), decided as (
    insert into billing.charges (order_id, user_id, account_id, amount, currency, outcome, reason)
    select order_id, user_id, account_id, total, currency,
           case when reason is null then 'succeeded' else 'declined' end, reason
      from (select placed.*, account.id as account_id,
                   case
                     when placed.status <> 'pending' then 'order_canceled'
                     when account.id is null then 'account_not_found'
                     when account.currency <> placed.currency then 'currency_mismatch'
                     when account.balance < placed.total then 'insufficient_funds'
                   end as reason
              from placed
              left join account on account.user_id = placed.user_id) verdict
        -- the account may not be open yet: create-account has ten minutes
     where reason is distinct from 'account_not_found'
        or created_at < clock_timestamp() - interval '10 minutes'
     order by order_id
    on conflict do nothing
    returning *
  ), charged as (
    update billing.accounts a
       set balance = a.balance - decided.amount,
           version = a.version + 1
      from decided
     where a.id = decided.account_id
       and decided.outcome = 'succeeded'
    returning decided.order_id, a.id, a.balance, a.version
  ), moved as (
    insert into billing.transfers (id, kind, debit_account_id, credit_account_id, amount, currency, order_id,
                                   account_version, balance_after)
    select placed.transfer_id, 'charge', charged.id, '00000000-0000-0000-0000-000000000002',
           placed.total, placed.currency, placed.order_id, charged.version, charged.balance
      from charged
      join placed on placed.order_id = charged.order_id
  )
  select order_id as "orderId", user_id as "userId", account_id as "accountId", amount, currency, reason,
         decided_at as "decidedAt"
    from decided`,
);

/**
 * Decides charges and moves the money of those that succeed; returns the decisions that this statement took. Takes at
 * most one order a customer.
 */
export const decideCharges = (orders: OrderPlaced[]) =>
  many(decide, [orders.map((o) => o.orderId), orders.map((o) => o.userId), orders.map(() => uuidv7())]);

const find = statement<Charge>(
  'charge-account.find',
  `
  select order_id as "orderId", user_id as "userId", account_id as "accountId", amount, currency, reason,
         decided_at as "decidedAt"
    from billing.charges
   where order_id = any ($1::uuid[])`,
);

/** The decisions that earlier statements took. */
export const findCharges = (orders: OrderPlaced[]) => many(find, [orders.map((o) => o.orderId)]);

const placed = statement<{ orderId: string }>(
  'charge-account.orders',
  `
  select o.id as "orderId"
    from unnest($1::uuid[], $2::uuid[]) as wanted (order_id, user_id)
    join ordering.orders o on o.id = wanted.order_id and o.user_id = wanted.user_id`,
);

/** Which of these orders exist. */
export const findOrders = (orders: OrderPlaced[]) =>
  many(placed, [orders.map((o) => o.orderId), orders.map((o) => o.userId)]);
