-- Chains that have lost their outbox row are found by scanning ids; an order that is canceled long after it was placed is
-- found by this one. Only cancels pay for it: an index on the status would take the one update of every order out of its page.
create index orders_cancel_requested on ordering.orders (cancel_requested_at) where cancel_requested_at is not null;
create index dead_letters_of_chain on events.dead_letters (correlation_id);

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
