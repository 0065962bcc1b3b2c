-- The invariants of every shop: returns a row for each violation, none for a sound shop.
--
--   name     the invariant
--   holds    'always': at any time, also between two steps of a chain; 'at rest': when nothing is in flight
--   subject  the id of the violating row
--   detail   the values that violate it
--
-- $1 uuid[]  orders that got 2xx
-- $2 text[]  ids of the invalid events that a test sent: only these may be parked
-- $3 jsonb   the rows of ordering.orders at the previous check; [] at the first
-- $4 uuid[]  orders whose cancel got 2xx
--
-- I10 (the mails themselves) needs the mail server: test/support/invariants.ts.
with shop (world, sales) as (
  values ('00000000-0000-0000-0000-000000000001'::uuid, '00000000-0000-0000-0000-000000000002'::uuid)
), movement as (
  select t.*, case t.kind when 'charge' then -t.amount::bigint else t.amount::bigint end as change
    from billing.transfers t
), running as (
  select movement.*,
         row_number() over upwards as nth,
         sum(change) over upwards as balance
    from movement
  window upwards as (partition by account_id order by account_version, id rows unbounded preceding)
), standing as (
  select account_id, count(*) as movements, sum(change) as balance
    from movement
   group by account_id
), of_order as (
  -- the money moved for each order
  select m.order_id,
         count(*) filter (where m.kind = 'charge') as charges,
         count(*) filter (where m.kind = 'refund') as refunds,
         sum(m.change) as change,
         max(m.created_at) filter (where m.kind = 'refund') as refunded_at,
         min(m.amount::bigint) as least,
         max(m.amount::bigint) as most,
         -- computed here, because a scan of all movements for each order took 13 s with 7,600 orders
         bool_or((a.user_id, m.currency) is distinct from (o.user_id, o.currency)) as mismatched
    from movement m
    left join ordering.orders o on o.id = m.order_id
    left join billing.accounts a on a.id = m.account_id
   where m.order_id is not null
   group by m.order_id
), event (id, user_id, order_id, template) as (
  -- the events that customers are notified of
  select id || '.opened', user_id, null::uuid, 'welcome' from billing.accounts
  union all
  select id || '.succeeded', user_id, null, 'deposit-received' from billing.deposits
  union all
  select id || '.paid', user_id, id, 'order-paid' from ordering.orders where paid_at is not null
  union all
  select id || '.rejected', user_id, id, 'order-rejected' from ordering.orders where rejected_at is not null
  union all
  select id || '.refunded', user_id, id, 'order-refunded' from ordering.orders where refunded_at is not null
  union all
  select id || '.canceled', user_id, id, 'order-canceled' from ordering.orders where canceled_at is not null
), notified as (
  select event_id, count(*) as times
    from notifying.notifications
   group by event_id
), earlier as (
  select *
    from jsonb_to_recordset($3::jsonb)
         as earlier (id uuid, paid_at timestamptz, rejected_at timestamptz, cancel_requested_at timestamptz,
                     canceled_at timestamptz, refunded_at timestamptz)
), violation (name, holds, subject, detail) as (
  select 'I1 every transfer has one debit and one credit account of one currency', 'always', t.id::text,
         format('%s of %s %s from %s to %s', t.kind, t.amount, t.currency, t.debit_account_id, t.credit_account_id)
    from billing.transfers t
   cross join shop
    left join billing.accounts a on a.id = t.account_id and a.currency = t.currency
   where a.id is null
      or (t.debit_account_id, t.credit_account_id) is distinct from
         case t.kind
           when 'deposit' then (shop.world, a.id)
           when 'charge' then (a.id, shop.sales)
           when 'refund' then (shop.sales, a.id)
         end

  union all
  select 'I2 each balance is the sum of its transfers, and its version their number', 'always', a.id::text,
         format('balance %s, transfers %s; version %s, transfers %s', a.balance, coalesce(s.balance, 0), a.version,
                coalesce(s.movements, 0))
    from billing.accounts a
    left join standing s on s.account_id = a.id
   where a.balance::bigint <> coalesce(s.balance, 0)
      or a.version <> coalesce(s.movements, 0)

  union all
  select 'I2 each transfer says how the account stood after it', 'always', id::text,
         format('number %s says version %s; balance %s, the sum is %s', nth, account_version, balance_after, balance)
    from running
   where account_version <> nth
      or balance_after::bigint <> balance

  union all
  select 'I3 no balance is negative', 'always', id::text, format('%s', balance)
    from billing.accounts
   where balance::bigint < 0

  union all
  select 'I4 every accepted order exists', 'always', accepted.id::text, 'it got 2xx'
    from unnest($1::uuid[]) as accepted (id)
   where not exists (select from ordering.orders o where o.id = accepted.id)

  union all
  select 'I4 every accepted cancel has begun', 'always', accepted.id::text, 'it got 2xx'
    from unnest($4::uuid[]) as accepted (id)
   where not exists (select from ordering.orders o where o.id = accepted.id and o.cancel_requested_at is not null)

  union all
  select 'I4 every order is settled', 'at rest', id::text, status
    from ordering.orders
   where status = 'pending'

  union all
  select 'I5 each event is notified', 'at rest', event.id, event.template
    from event
   where not exists (select from notified where notified.event_id = event.id)

  union all
  select 'I5 each event is notified once', 'always', event_id, format('%s notifications', times)
    from notified
   where times > 1

  union all
  select 'I5 each notification has its event, and the right recipient', 'always', n.id::text,
         format('%s %s to user %s', n.template, n.event_id, n.user_id)
    from notifying.notifications n
    left join event on event.id = n.event_id
    left join users.users u on u.id = n.user_id
   where (n.user_id, n.order_id, n.template) is distinct from (event.user_id, event.order_id, event.template)
      or n.recipient is distinct from u.email

  union all
  select 'I6 an order is charged once at most, its total, from its customer', 'always', m.order_id::text,
         format('%s charges of %s to %s; the total is %s', m.charges, m.least, m.most, coalesce(o.total, 0))
    from of_order m
    left join ordering.orders o on o.id = m.order_id
   where m.charges > 1
      or m.refunds > 1
      or m.least is distinct from o.total
      or m.most is distinct from o.total
      or m.mismatched

  union all
  select 'I6 a charge that succeeded has moved the money, and only such a one', 'always',
         coalesce(c.order_id, m.order_id)::text, format('%s, %s transfers', coalesce(c.outcome, 'undecided'), coalesce(m.charges, 0))
    from billing.charges c
    full join of_order m on m.order_id = c.order_id
   where (coalesce(c.outcome, 'none') = 'succeeded') <> (coalesce(m.charges, 0) > 0)

  union all
  select 'I6 a paid order was charged', 'always', o.id::text, o.status
    from ordering.orders o
    left join of_order m on m.order_id = o.id
   where o.paid_at is not null
     and coalesce(m.charges, 0) = 0

  union all
  select 'I6 a charged order is paid, or its money went back', 'at rest', o.id::text, o.status
    from ordering.orders o
    join of_order m on m.order_id = o.id
   where o.paid_at is null
     and o.status <> 'refunded'

  union all
  select 'I7 a rejected or canceled order has moved no money', 'always', o.id::text, o.status
    from ordering.orders o
    join of_order m on m.order_id = o.id
   where o.status in ('rejected', 'canceled')

  union all
  select 'I7 a canceled order can never be charged', 'always', o.id::text, coalesce(c.outcome, 'undecided')
    from ordering.orders o
    left join billing.charges c on c.order_id = o.id
   where o.status = 'canceled'
     and c.outcome is distinct from 'declined'

  union all
  select 'I7 a refunded order has one charge and one refund, which cancel out', 'always', o.id::text,
         format('%s charges, %s refunds, together %s', m.charges, m.refunds, m.change)
    from ordering.orders o
    left join of_order m on m.order_id = o.id
   where (o.status = 'refunded' or m.refunds > 0)
     and (m.charges, m.refunds, m.change) is distinct from (1::bigint, 1::bigint, 0::numeric)

  union all
  select 'I7 only a canceled order is refunded', 'always', o.id::text, o.status
    from ordering.orders o
    join of_order m on m.order_id = o.id
   where m.refunds > 0
     and o.status not in ('canceling', 'refunded')

  union all
  select 'I7 no cancel stays open', 'at rest', id::text, status
    from ordering.orders
   where status = 'canceling'

  union all
  select 'I8 the total of an order is the sum of its lines', 'always', o.id::text,
         format('total %s, lines %s', o.total, coalesce(sum(l.quantity::numeric * l.unit_price), 0))
    from ordering.orders o
    left join ordering.order_lines l on l.order_id = o.id
   group by o.id
  having o.total is distinct from sum(l.quantity::numeric * l.unit_price)

  union all
  select 'I9 the outbox drains', 'at rest', id, format('%s attempts, due %s', attempts, due_at)
    from events.outbox

  union all
  select 'I9 nothing is parked but what was sent broken', 'always', event_id,
         format('%s %s: %s', type, reason, detail)
    from events.dead_letters
   where event_id <> all ($2::text[])

  union all
  select 'I11 the times of an order are in order and fit its state', 'always', o.id::text,
         format('%s; created %s, decided %s, paid %s, rejected %s, cancel requested %s, money back %s, canceled %s, refunded %s',
                o.status, o.created_at, c.decided_at, o.paid_at, o.rejected_at, o.cancel_requested_at, m.refunded_at,
                o.canceled_at, o.refunded_at)
    from ordering.orders o
    left join billing.charges c on c.order_id = o.id
    left join of_order m on m.order_id = o.id
   where case o.status
           when 'pending' then num_nonnulls(o.paid_at, o.rejected_at, o.cancel_requested_at, o.canceled_at, o.refunded_at) > 0
           when 'paid' then o.paid_at is null
                         or num_nonnulls(o.rejected_at, o.cancel_requested_at, o.canceled_at, o.refunded_at) > 0
           when 'rejected' then o.rejected_at is null
                             or num_nonnulls(o.paid_at, o.cancel_requested_at, o.canceled_at, o.refunded_at) > 0
           when 'canceling' then o.cancel_requested_at is null
                              or num_nonnulls(o.rejected_at, o.canceled_at, o.refunded_at) > 0
           when 'canceled' then o.cancel_requested_at is null or o.canceled_at is null
                             or num_nonnulls(o.paid_at, o.rejected_at, o.refunded_at) > 0
           when 'refunded' then o.cancel_requested_at is null or o.refunded_at is null
                             or num_nonnulls(o.rejected_at, o.canceled_at) > 0
           else true
         end
      or least(o.paid_at, o.rejected_at, o.cancel_requested_at, c.decided_at) < o.created_at
      or least(o.paid_at, o.rejected_at) < c.decided_at
      or o.cancel_requested_at < o.paid_at
      or least(m.refunded_at, o.canceled_at, o.refunded_at) < o.cancel_requested_at
      or o.refunded_at < m.refunded_at
      or least(o.canceled_at, o.refunded_at) < c.decided_at

  union all
  select 'I11 a time that was set stays', 'always', earlier.id::text, format('it was %s', to_jsonb(earlier))
    from earlier
    left join ordering.orders o on o.id = earlier.id
   where o.id is null
      or earlier.paid_at <> coalesce(o.paid_at, '-infinity')
      or earlier.rejected_at <> coalesce(o.rejected_at, '-infinity')
      or earlier.cancel_requested_at <> coalesce(o.cancel_requested_at, '-infinity')
      or earlier.canceled_at <> coalesce(o.canceled_at, '-infinity')
      or earlier.refunded_at <> coalesce(o.refunded_at, '-infinity')

  union all
  select 'I12 one idempotency key, one order', 'always', user_id || ' ' || idempotency_key, format('%s orders', count(*))
    from ordering.orders
   group by user_id, idempotency_key
  having count(*) > 1

  union all
  select 'I12 one idempotency key, one deposit', 'always', user_id || ' ' || idempotency_key,
         format('%s deposits', count(*))
    from billing.deposits
   group by user_id, idempotency_key
  having count(*) > 1

  union all
  select 'I12 each deposit has moved its money once, and only a deposit', 'always', coalesce(d.id, t.id)::text,
         format('deposit %s, transfer %s', d.amount, t.amount)
    from billing.deposits d
    full join (select * from billing.transfers where kind = 'deposit') t on t.id = d.id
   where (d.account_id, d.amount::bigint, d.currency) is distinct from (t.account_id, t.amount::bigint, t.currency)
)
select name, holds, subject, detail
  from violation
 order by name, subject;
