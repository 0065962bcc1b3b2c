import { statement, type Database } from '#platform/database/database.ts';

/** A violation: its invariant (test/support/invariants.sql has the same names), its object, and its values. */
export interface Difference {
  invariant: string;
  subject: string;
  detail: string;
}

/** What one statement compared. */
export interface Compared {
  rows: number;
  transfers: number;
  /** The last id; null if there was no row. */
  last: string | null;
  differences: Difference[];
}

// What must hold at any time holds in the snapshot of one statement, whatever runs alongside. What holds once nothing is in
// flight is checked for what is older than any recovery.
const settledBefore = `clock_timestamp() - interval '15 minutes'`;

const maxDifferences = 100;

const result = (transfers: string) => `
  select (select count(*) from page) as rows,
         ${transfers} as transfers,
         (select id from page order by id desc limit 1) as last,
         (select coalesce(json_agg(found), '[]')
            from (select * from difference limit ${maxDifferences}) as found) as differences`;

const accounts = statement<Compared>(
  'storefront.verify_accounts',
  `
  with page as materialized (
    select *
      from billing.accounts
     where id > $1::uuid
     order by id
     limit $2::int
  ), movement as materialized (
    select t.*, case t.kind when 'charge' then -t.amount::bigint else t.amount::bigint end as change
      from page
     cross join lateral (select * from billing.transfers where account_id = page.id) as t
  ), running as (
    select id, account_id, account_version, balance_after::bigint as balance_after,
           row_number() over upwards as nth, sum(change) over upwards as balance
      from movement
    window upwards as (partition by account_id order by account_version rows unbounded preceding)
  ), standing as materialized (
    select account_id, count(*) as movements, sum(change) as balance
      from movement
     group by account_id
  ), of_order as materialized (
    select order_id, account_id, min(currency) as currency,
           count(*) filter (where kind = 'charge') as charges, count(*) filter (where kind = 'refund') as refunds,
           sum(change) as change, min(amount::bigint) as least, max(amount::bigint) as most
      from movement
     where order_id is not null
     group by order_id, account_id
  ), owned as materialized (
    select o.id, o.status, o.total, o.currency, o.paid_at, o.created_at, o.cancel_requested_at,
           page.id as account_id, c.outcome
      from page
     cross join lateral (select * from ordering.orders where user_id = page.user_id) as o
      left join lateral (select outcome from billing.charges where order_id = o.id) as c on true
  ), deposit as materialized (
    select page.id as own_account, d.*
      from page
     cross join lateral (select * from billing.deposits where user_id = page.user_id) as d
  ), difference (invariant, subject, detail) as (
    select 'I1 every transfer has one debit and one credit account of one currency', m.id::text,
           format('%s of %s %s from %s to %s', m.kind, m.amount, m.currency, m.debit_account_id, m.credit_account_id)
      from movement m
      join page on page.id = m.account_id
     where m.currency <> page.currency
        or (m.debit_account_id, m.credit_account_id) is distinct from
           case m.kind
             when 'deposit' then ('00000000-0000-0000-0000-000000000001'::uuid, page.id)
             when 'charge' then (page.id, '00000000-0000-0000-0000-000000000002'::uuid)
             when 'refund' then ('00000000-0000-0000-0000-000000000002'::uuid, page.id)
           end
    union all
    select 'I2 each balance is the sum of its transfers, and its version their number', page.id::text,
           format('balance %s, transfers %s; version %s, transfers %s', page.balance, coalesce(s.balance, 0),
                  page.version, coalesce(s.movements, 0))
      from page
      left join standing s on s.account_id = page.id
     where page.balance::bigint <> coalesce(s.balance, 0)
        or page.version <> coalesce(s.movements, 0)
    union all
    select 'I2 each transfer says how the account stood after it', id::text,
           format('number %s says version %s; balance %s, the sum is %s', nth, account_version, balance_after, balance)
      from running
     where account_version <> nth
        or balance_after <> balance
    union all
    select 'I3 no balance is negative', id::text, format('%s', balance)
      from page
     where balance::bigint < 0
    union all
    select 'I6 an order is charged once at most, its total, from its customer', m.order_id::text,
           format('%s charges and %s refunds of %s to %s; the total is %s', m.charges, m.refunds, m.least, m.most,
                  coalesce(o.total, 0))
      from of_order m
      left join owned o on o.id = m.order_id
     where m.charges > 1
        or m.refunds > 1
        or m.least is distinct from o.total
        or m.most is distinct from o.total
        or m.currency is distinct from o.currency
    union all
    select 'I6 a charge that succeeded has moved the money, and only such a one',
           coalesce(o.id, m.order_id)::text,
           format('%s, %s transfers', coalesce(o.outcome, 'undecided'), coalesce(m.charges, 0))
      from owned o
      full join of_order m on m.order_id = o.id
     where (coalesce(o.outcome, 'none') = 'succeeded') <> (coalesce(m.charges, 0) > 0)
    union all
    select 'I6 a paid order was charged', o.id::text, o.status
      from owned o
      left join of_order m on m.order_id = o.id
     where o.paid_at is not null
       and coalesce(m.charges, 0) = 0
    union all
    select 'I6 a charged order is paid, or its money went back', o.id::text, o.status
      from owned o
      join of_order m on m.order_id = o.id
     where o.paid_at is null
       and o.status <> 'refunded'
       and o.created_at < ${settledBefore}
       and coalesce(o.cancel_requested_at, o.created_at) < ${settledBefore}
    union all
    select 'I7 a rejected or canceled order has moved no money', o.id::text, o.status
      from owned o
      join of_order m on m.order_id = o.id
     where o.status in ('rejected', 'canceled')
    union all
    select 'I7 a refunded order has one charge and one refund, which cancel out', o.id::text,
           format('%s charges, %s refunds, together %s', m.charges, m.refunds, m.change)
      from owned o
      left join of_order m on m.order_id = o.id
     where (o.status = 'refunded' or m.refunds > 0)
       and (m.charges, m.refunds, m.change) is distinct from (1::bigint, 1::bigint, 0::numeric)
    union all
    select 'I7 only a canceled order is refunded', o.id::text, o.status
      from owned o
      join of_order m on m.order_id = o.id
     where m.refunds > 0
       and o.status not in ('canceling', 'refunded')
    union all
    select 'I12 each deposit has moved its money once, and only a deposit', coalesce(d.id, t.id)::text,
           format('deposit %s, transfer %s', d.amount, t.amount)
      from deposit d
      full join (select * from movement where kind = 'deposit') as t on t.id = d.id
     where (d.account_id, d.amount::bigint, d.currency) is distinct from (t.account_id, t.amount::bigint, t.currency)
  )${result('(select count(*) from movement)')}`,
);

/** Compares the next accounts after this id with their transfers, orders and deposits. */
export const compareAccounts = ({ many }: Database, after: string, limit: number) => many(accounts, [after, limit]);

const isNotified = (happened: string, at: string) =>
  `(${at} < ${settledBefore} and ${at} > clock_timestamp() - interval '30 days'
            and not exists (select from notifying.notifications n where n.event_id = page.id || '.${happened}'))`;

const orders = statement<Compared>(
  'storefront.verify_orders',
  `
  with page as materialized (
    select *
      from ordering.orders
     where id > $1::uuid
     order by id
     limit $2::int
  ), decided as materialized (
    select page.*, c.outcome, c.decided_at,
           (select sum(quantity::numeric * unit_price) from ordering.order_lines where order_id = page.id) as sum
      from page
      left join lateral (select outcome, decided_at from billing.charges where order_id = page.id) as c on true
  ), difference (invariant, subject, detail) as (
    select 'I4 every order is settled', id::text, status
      from page
     where status = 'pending'
       and created_at < ${settledBefore}
    union all
    select 'I5 each event is notified', id::text, status
      from page
     where ${isNotified('paid', 'paid_at')}
        or ${isNotified('rejected', 'rejected_at')}
        or ${isNotified('refunded', 'refunded_at')}
        or ${isNotified('canceled', 'canceled_at')}
    union all
    select 'I7 a canceled order can never be charged', id::text, coalesce(outcome, 'undecided')
      from decided
     where status = 'canceled'
       and outcome is distinct from 'declined'
    union all
    select 'I7 no cancel stays open', id::text, status
      from page
     where status = 'canceling'
       and cancel_requested_at < ${settledBefore}
    union all
    select 'I8 the total of an order is the sum of its lines', id::text,
           format('total %s, lines %s', total, coalesce(sum, 0))
      from decided
     where total is distinct from sum
    union all
    select 'I11 the times of an order are in order and fit its state', id::text,
           format('%s; created %s, decided %s, paid %s, rejected %s, cancel requested %s, canceled %s, refunded %s',
                  status, created_at, decided_at, paid_at, rejected_at, cancel_requested_at, canceled_at, refunded_at)
      from decided
     where case status
             when 'pending' then num_nonnulls(paid_at, rejected_at, cancel_requested_at, canceled_at, refunded_at) > 0
             when 'paid' then paid_at is null
                           or num_nonnulls(rejected_at, cancel_requested_at, canceled_at, refunded_at) > 0
             when 'rejected' then rejected_at is null
                               or num_nonnulls(paid_at, cancel_requested_at, canceled_at, refunded_at) > 0
             when 'canceling' then cancel_requested_at is null
                                or num_nonnulls(rejected_at, canceled_at, refunded_at) > 0
             when 'canceled' then cancel_requested_at is null or canceled_at is null
                               or num_nonnulls(paid_at, rejected_at, refunded_at) > 0
             when 'refunded' then cancel_requested_at is null or refunded_at is null
                               or num_nonnulls(rejected_at, canceled_at) > 0
             else true
           end
        or least(paid_at, rejected_at, cancel_requested_at, decided_at) < created_at
        or least(paid_at, rejected_at) < decided_at
        or cancel_requested_at < paid_at
        or least(canceled_at, refunded_at) < cancel_requested_at
        or least(canceled_at, refunded_at) < decided_at
  )${result('0')}`,
);

/** Compares the next orders after this id with their lines, charges and notifications, and their times with each other. */
export const compareOrders = ({ many }: Database, after: string, limit: number) => many(orders, [after, limit]);
