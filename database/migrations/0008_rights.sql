-- One role per function, with just the rights that its statements need. Roles belong to the server, not to this database:
-- they may be there already. They get their passwords at installation (database/roles.ts) and cannot log in before.
do $$
declare
  wanted text;
begin
  foreach wanted in array array[
    'shop_functions',
    'shop_register_user', 'shop_log_in', 'shop_create_account', 'shop_deposit_money', 'shop_create_order',
    'shop_charge_account', 'shop_settle_order', 'shop_cancel_order', 'shop_refund_charge', 'shop_send_notification',
    'shop_park_event', 'shop_replay_events', 'shop_sweep', 'shop_storefront'
  ] loop
    if to_regrole(wanted) is null then
      begin
        execute format('create role %I login', wanted);
      exception when duplicate_object or unique_violation then
        null; -- another database of this server was migrated at the same moment
      end;
    end if;
    -- all functions in one process: the rights of each, and no others
    if not pg_has_role('shop_functions', wanted, 'member') then
      execute format('grant %I to shop_functions', wanted);
    end if;
  end loop;
end $$;

-- users: the hash of a password is written by registration and read by log-in alone; nobody makes an administrator
grant usage on schema users to shop_register_user, shop_log_in, shop_send_notification, shop_storefront;
grant select (id, email, name, created_at), insert (id, email, name, password_hash) on users.users to shop_register_user;
grant select (id, email, role, password_hash) on users.users to shop_log_in;
grant select (id, email, name) on users.users to shop_send_notification;
grant select (id, email, name, created_at) on users.users to shop_storefront;

-- billing: the ledger only grows; an account is opened empty, and its owner and currency stay
grant usage on schema billing
   to shop_create_account, shop_deposit_money, shop_charge_account, shop_refund_charge, shop_storefront;
grant select, insert (id, user_id) on billing.accounts to shop_create_account;
grant select, update (balance, deposited, version) on billing.accounts to shop_deposit_money;
grant select, update (balance, version) on billing.accounts to shop_charge_account, shop_refund_charge;
grant select, insert on billing.deposits to shop_deposit_money;
grant select, insert on billing.charges to shop_charge_account, shop_refund_charge;
grant insert on billing.transfers to shop_deposit_money, shop_charge_account, shop_refund_charge;
-- a repeated refund returns the transfer that the first one made
grant select on billing.transfers to shop_refund_charge;
grant select on billing.accounts, billing.deposits, billing.charges, billing.transfers to shop_storefront;

-- ordering: an order begins as pending; its amounts do not change; each step sets its own times
grant usage on schema ordering
   to shop_create_order, shop_charge_account, shop_settle_order, shop_cancel_order, shop_refund_charge,
      shop_send_notification, shop_storefront;
grant select on ordering.products to shop_create_order;
grant select, insert (id, user_id, idempotency_key, request_hash, total, currency) on ordering.orders to shop_create_order;
grant select, insert on ordering.order_lines to shop_create_order;
grant select on ordering.orders to shop_charge_account, shop_refund_charge;
grant select, update (status, reason, paid_at, rejected_at, canceled_at, refunded_at) on ordering.orders to shop_settle_order;
grant select, update (status, cancel_requested_at) on ordering.orders to shop_cancel_order;
grant select on ordering.order_lines to shop_cancel_order, shop_send_notification;
grant select on ordering.products, ordering.orders, ordering.order_lines to shop_storefront;

-- notifying: recipient and content of a notification do not change
grant usage on schema notifying to shop_send_notification, shop_storefront;
grant select,
      insert (id, fact, user_id, order_id, template, recipient, subject, detail, correlation_id),
      update (status, attempts, due_at, error, sent_at)
   on notifying.notifications to shop_send_notification;
grant select on notifying.notifications to shop_storefront;

-- events: commands begin a chain, the last step ends it; nobody changes an event
grant usage on schema events
   to shop_register_user, shop_deposit_money, shop_create_order, shop_cancel_order, shop_settle_order,
      shop_send_notification, shop_park_event, shop_replay_events, shop_sweep, shop_storefront;
grant select (id, event, attempts, due_at), insert (id, event), update (attempts, due_at)
   on events.outbox to shop_register_user, shop_deposit_money, shop_create_order, shop_cancel_order;
grant select (id), delete on events.outbox to shop_settle_order, shop_park_event;
-- it locks the rows of many chains in one order before it deletes them, and a lock takes a right to update
grant select (id), update (due_at), delete on events.outbox to shop_send_notification;
grant select, update (attempts, due_at), delete on events.outbox to shop_sweep;
grant select, insert (id, event, due_at), update (attempts, due_at), delete on events.outbox to shop_replay_events;
grant select (id, attempts, due_at) on events.outbox to shop_storefront;
grant select, insert, update (reason, detail, times, last_parked_at) on events.dead_letters to shop_park_event, shop_sweep;
grant select, update (replayed_at, bulk_at) on events.dead_letters to shop_replay_events;
grant select on events.dead_letters to shop_storefront;
