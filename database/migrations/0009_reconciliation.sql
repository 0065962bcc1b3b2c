-- sweep gives a chain its outbox row back, and so reads what each chain began with and whether it has ended
grant usage on schema users, billing, ordering, notifying to shop_sweep;
grant select (id, role, created_at) on users.users to shop_sweep;
grant select (id, user_id, opened_at) on billing.accounts to shop_sweep;
grant select (id, user_id, account_id, amount, currency, created_at) on billing.deposits to shop_sweep;
grant select (id, user_id, status, created_at, paid_at, rejected_at, cancel_requested_at, canceled_at, refunded_at)
   on ordering.orders to shop_sweep;
grant select (fact) on notifying.notifications to shop_sweep;
grant insert (id, event, due_at) on events.outbox to shop_sweep;

-- a replay that is scheduled for later counts its day from then on
grant insert (created_at) on events.outbox to shop_replay_events;
