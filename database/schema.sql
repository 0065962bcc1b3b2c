-- The schema that the migrations make. Written by `npm run schema`; a change begins with a migration.
-- The roles that it names belong to the server: migrations/0008_rights.sql makes them.

create schema billing;
create schema events;
create schema notifying;
create schema ordering;
create schema users;

create domain billing.money as bigint
  constraint money_check check (value >= 0 and value <= '9007199254740991'::bigint);

create table billing.accounts (
  id uuid not null,
  user_id uuid not null,
  currency text not null default 'usd'::text,
  balance billing.money not null default 0,
  deposited billing.money not null default 0,
  version bigint not null default 0,
  opened_at timestamp with time zone not null default now(),
  constraint accounts_pkey primary key (id),
  constraint accounts_user_id_key unique (user_id),
  constraint accounts_check check (balance::bigint <= deposited::bigint),
  constraint accounts_currency_check check (currency ~ '^[a-z]{3}$'::text)
) with (fillfactor = 70);

create table billing.charges (
  order_id uuid not null,
  user_id uuid not null,
  account_id uuid,
  amount billing.money not null,
  currency text not null,
  outcome text not null,
  reason text,
  decided_at timestamp with time zone not null default clock_timestamp(),
  constraint charges_once_an_order primary key (order_id),
  constraint charges_account_id_fkey foreign key (account_id) references billing.accounts(id),
  constraint charges_check check ((outcome = 'declined'::text) = (reason is not null)),
  constraint charges_check1 check (outcome = 'declined'::text or account_id is not null),
  constraint charges_outcome_check check (outcome = any (array['succeeded'::text, 'declined'::text])),
  constraint charges_reason_check check (reason = any (array['insufficient_funds'::text, 'currency_mismatch'::text, 'account_not_found'::text, 'order_canceled'::text]))
);

create table billing.deposits (
  id uuid not null,
  account_id uuid not null,
  user_id uuid not null,
  idempotency_key text not null,
  request_hash bytea not null,
  amount billing.money not null,
  currency text not null,
  balance_after billing.money not null,
  created_at timestamp with time zone not null default clock_timestamp(),
  constraint deposits_pkey primary key (id),
  constraint deposits_user_id_idempotency_key_key unique (user_id, idempotency_key),
  constraint deposits_account_id_fkey foreign key (account_id) references billing.accounts(id),
  constraint deposits_amount_check check (amount::bigint > 0)
);
create index deposits_by_time on billing.deposits using btree (user_id, created_at);

create table billing.transfers (
  id uuid not null,
  kind text not null,
  debit_account_id uuid not null,
  credit_account_id uuid not null,
  amount billing.money not null,
  currency text not null,
  order_id uuid,
  account_id uuid not null generated always as (
    case
        when kind = 'charge'::text then debit_account_id
        else credit_account_id
    end) stored,
  account_version bigint not null,
  balance_after billing.money not null,
  created_at timestamp with time zone not null default clock_timestamp(),
  constraint transfers_pkey primary key (id),
  constraint transfers_account_id_account_version_key unique (account_id, account_version),
  constraint transfers_account_id_fkey foreign key (account_id) references billing.accounts(id),
  constraint transfers_account_version_check check (account_version > 0),
  constraint transfers_amount_check check (amount::bigint > 0),
  constraint transfers_check check (debit_account_id <> credit_account_id),
  constraint transfers_check1 check ((kind = 'deposit'::text) = (order_id is null)),
  constraint transfers_check2 check (kind <> 'deposit'::text or debit_account_id = '00000000-0000-0000-0000-000000000001'::uuid),
  constraint transfers_check3 check (kind <> 'charge'::text or credit_account_id = '00000000-0000-0000-0000-000000000002'::uuid),
  constraint transfers_check4 check (kind <> 'refund'::text or debit_account_id = '00000000-0000-0000-0000-000000000002'::uuid),
  constraint transfers_kind_check check (kind = any (array['deposit'::text, 'charge'::text, 'refund'::text]))
);
create unique index refunds_once_an_order on billing.transfers using btree (order_id) where (kind = 'refund'::text);

create table events.dead_letters (
  id uuid not null,
  verified boolean not null,
  source text not null,
  event_id text not null,
  type text not null,
  subject text,
  correlation_id text,
  reason text not null,
  detail text not null,
  event json not null,
  times integer not null default 1,
  first_parked_at timestamp with time zone not null default clock_timestamp(),
  last_parked_at timestamp with time zone not null default clock_timestamp(),
  replayed_at timestamp with time zone,
  bulk_at timestamp with time zone,
  body bytea,
  constraint dead_letters_pkey primary key (id),
  constraint dead_letters_verified_source_event_id_key unique (verified, source, event_id),
  constraint dead_letters_reason_check check (reason = any (array['refused'::text, 'unverified'::text, 'undelivered'::text]))
);
create index dead_letters_by_time on events.dead_letters using btree (first_parked_at, id);
create index dead_letters_of_bulk on events.dead_letters using btree (bulk_at) where (bulk_at is not null);
create index dead_letters_of_chain on events.dead_letters using btree (correlation_id);

create table events.outbox (
  id text collate "C" not null,
  event json not null,
  attempts integer not null default 0,
  due_at timestamp with time zone not null default clock_timestamp() + '00:00:01'::interval,
  created_at timestamp with time zone not null default clock_timestamp(),
  constraint outbox_pkey primary key (id)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);
create index outbox_due on events.outbox using btree (due_at);

create table notifying.notifications (
  id uuid not null,
  event_id text collate "C" not null,
  user_id uuid not null,
  order_id uuid,
  template text not null,
  recipient text not null,
  subject text not null,
  detail jsonb not null,
  correlation_id text not null,
  status text not null default 'queued'::text,
  attempts integer not null default 0,
  due_at timestamp with time zone default clock_timestamp() + '00:01:00'::interval,
  error text,
  created_at timestamp with time zone not null default clock_timestamp(),
  sent_at timestamp with time zone,
  digest_at timestamp with time zone,
  constraint notifications_pkey primary key (id),
  constraint notifications_event_id_key unique (event_id),
  constraint notifications_check check ((status = 'queued'::text) = (due_at is not null)),
  constraint notifications_check1 check ((status = 'sent'::text) = (sent_at is not null)),
  constraint notifications_status_check check (status = any (array['queued'::text, 'sent'::text, 'failed'::text])),
  constraint notifications_template_check check (template = any (array['welcome'::text, 'deposit-received'::text, 'order-paid'::text, 'order-rejected'::text, 'order-refunded'::text, 'order-canceled'::text]))
) with (fillfactor = 80);
create index notifications_by_time on notifying.notifications using btree (user_id, created_at);
create index notifications_due on notifying.notifications using btree (due_at) where (due_at is not null);
create index notifications_of_digest on notifying.notifications using btree (user_id, digest_at) where (digest_at is not null);

create table ordering.orders (
  id uuid not null,
  user_id uuid not null,
  idempotency_key text not null,
  request_hash bytea not null,
  status text not null default 'pending'::text,
  reason text,
  total bigint not null,
  currency text not null,
  created_at timestamp with time zone not null default clock_timestamp(),
  paid_at timestamp with time zone,
  rejected_at timestamp with time zone,
  cancel_requested_at timestamp with time zone,
  canceled_at timestamp with time zone,
  refunded_at timestamp with time zone,
  line_count integer,
  constraint orders_pkey primary key (id),
  constraint orders_user_id_idempotency_key_key unique (user_id, idempotency_key),
  constraint orders_check check ((status = 'rejected'::text) = (rejected_at is not null)),
  constraint orders_check1 check ((status = 'rejected'::text) = (reason is not null)),
  constraint orders_check2 check (status <> 'paid'::text or paid_at is not null),
  constraint orders_check3 check (status <> 'pending'::text or coalesce(paid_at, rejected_at, cancel_requested_at) is null),
  constraint orders_check4 check ((status = any (array['canceling'::text, 'canceled'::text, 'refunded'::text])) = (cancel_requested_at is not null)),
  constraint orders_check5 check ((status = 'canceled'::text) = (canceled_at is not null)),
  constraint orders_check6 check ((status = 'refunded'::text) = (refunded_at is not null)),
  constraint orders_currency_check check (currency ~ '^[a-z]{3}$'::text),
  constraint orders_status_check check (status = any (array['pending'::text, 'paid'::text, 'rejected'::text, 'canceling'::text, 'canceled'::text, 'refunded'::text])),
  constraint orders_total_check check (total >= 1 and total <= '9007199254740991'::bigint)
) with (fillfactor = 80);
create index orders_by_cancel on ordering.orders using btree (user_id, cancel_requested_at) where (cancel_requested_at is not null);
create index orders_by_time on ordering.orders using btree (user_id, created_at);
create index orders_cancel_requested on ordering.orders using btree (cancel_requested_at) where (cancel_requested_at is not null);

create table ordering.order_lines (
  order_id uuid not null,
  line integer not null,
  sku text not null,
  name text not null,
  quantity bigint not null,
  unit_price bigint not null,
  constraint order_lines_pkey primary key (order_id, line),
  constraint order_lines_order_id_fkey foreign key (order_id) references ordering.orders(id),
  constraint order_lines_quantity_check check (quantity >= 1 and quantity <= 1000000),
  constraint order_lines_unit_price_check check (unit_price >= 0 and unit_price <= '9007199254740991'::bigint)
);

create table ordering.products (
  sku text not null,
  name text not null,
  price bigint not null,
  currency text not null,
  constraint products_pkey primary key (sku),
  constraint products_currency_check check (currency ~ '^[a-z]{3}$'::text),
  constraint products_price_check check (price >= 0 and price <= '9007199254740991'::bigint),
  constraint products_sku_check check (sku ~ '^[a-z0-9][a-z0-9-]{0,63}$'::text)
);

create table users.users (
  id uuid not null,
  email text not null,
  name text not null,
  password_hash text not null,
  role text not null default 'customer'::text,
  created_at timestamp with time zone not null default now(),
  was_admin boolean not null default false,
  constraint users_pkey primary key (id),
  constraint users_email_key unique (email),
  constraint users_email_check check (email = lower(email)),
  constraint users_password_hash_check check (password_hash ~~ '$argon2id$%'::text),
  constraint users_role_check check (role = any (array['customer'::text, 'admin'::text]))
);

grant usage on schema billing to shop_charge_account;
grant usage on schema billing to shop_create_account;
grant usage on schema billing to shop_deposit_money;
grant usage on schema billing to shop_refund_charge;
grant usage on schema billing to shop_storefront;
grant usage on schema billing to shop_sweep;
grant usage on schema events to shop_cancel_order;
grant usage on schema events to shop_create_order;
grant usage on schema events to shop_deposit_money;
grant usage on schema events to shop_park_event;
grant usage on schema events to shop_register_user;
grant usage on schema events to shop_replay_events;
grant usage on schema events to shop_send_notification;
grant usage on schema events to shop_settle_order;
grant usage on schema events to shop_storefront;
grant usage on schema events to shop_sweep;
grant usage on schema notifying to shop_send_notification;
grant usage on schema notifying to shop_storefront;
grant usage on schema notifying to shop_sweep;
grant usage on schema ordering to shop_cancel_order;
grant usage on schema ordering to shop_charge_account;
grant usage on schema ordering to shop_create_order;
grant usage on schema ordering to shop_refund_charge;
grant usage on schema ordering to shop_send_notification;
grant usage on schema ordering to shop_settle_order;
grant usage on schema ordering to shop_storefront;
grant usage on schema ordering to shop_sweep;
grant usage on schema users to shop_log_in;
grant usage on schema users to shop_register_user;
grant usage on schema users to shop_send_notification;
grant usage on schema users to shop_storefront;
grant usage on schema users to shop_sweep;
grant select, update (balance, version) on table billing.accounts to shop_charge_account;
grant insert (id, user_id), select on table billing.accounts to shop_create_account;
grant select, update (balance, deposited, version) on table billing.accounts to shop_deposit_money;
grant select, update (balance, version) on table billing.accounts to shop_refund_charge;
grant select on table billing.accounts to shop_storefront;
grant select (id, user_id, opened_at) on table billing.accounts to shop_sweep;
grant insert, select on table billing.charges to shop_charge_account;
grant insert, select on table billing.charges to shop_refund_charge;
grant select on table billing.charges to shop_storefront;
grant insert, select on table billing.deposits to shop_deposit_money;
grant select on table billing.deposits to shop_storefront;
grant select (id, account_id, user_id, amount, currency, created_at) on table billing.deposits to shop_sweep;
grant insert on table billing.transfers to shop_charge_account;
grant insert on table billing.transfers to shop_deposit_money;
grant insert, select on table billing.transfers to shop_refund_charge;
grant select on table billing.transfers to shop_storefront;
grant delete, insert, select, update (reason, detail, times, last_parked_at) on table events.dead_letters to shop_park_event;
grant select, update (replayed_at, bulk_at) on table events.dead_letters to shop_replay_events;
grant select on table events.dead_letters to shop_storefront;
grant insert, select, update (reason, detail, times, last_parked_at) on table events.dead_letters to shop_sweep;
grant insert (id, event), select (id, event, attempts, due_at), update (attempts, due_at) on table events.outbox to shop_cancel_order;
grant insert (id, event), select (id, event, attempts, due_at), update (attempts, due_at) on table events.outbox to shop_create_order;
grant insert (id, event), select (id, event, attempts, due_at), update (attempts, due_at) on table events.outbox to shop_deposit_money;
grant delete, select (id) on table events.outbox to shop_park_event;
grant insert (id, event), select (id, event, attempts, due_at), update (attempts, due_at) on table events.outbox to shop_register_user;
grant delete, insert (id, event, due_at, created_at), select, update (attempts, due_at) on table events.outbox to shop_replay_events;
grant delete, select (id), update (due_at) on table events.outbox to shop_send_notification;
grant delete, select (id) on table events.outbox to shop_settle_order;
grant select (id, attempts, due_at) on table events.outbox to shop_storefront;
grant delete, insert (id, event, due_at), select, update (attempts, due_at) on table events.outbox to shop_sweep;
grant insert (id, event_id, user_id, order_id, template, recipient, subject, detail, correlation_id), select, update (status, attempts, due_at, error, sent_at, digest_at) on table notifying.notifications to shop_send_notification;
grant select on table notifying.notifications to shop_storefront;
grant select (event_id) on table notifying.notifications to shop_sweep;
grant select on table ordering.order_lines to shop_cancel_order;
grant insert, select on table ordering.order_lines to shop_create_order;
grant select on table ordering.order_lines to shop_send_notification;
grant select on table ordering.order_lines to shop_storefront;
grant select, update (status, cancel_requested_at) on table ordering.orders to shop_cancel_order;
grant select on table ordering.orders to shop_charge_account;
grant insert (id, user_id, idempotency_key, request_hash, total, currency, line_count), select on table ordering.orders to shop_create_order;
grant select on table ordering.orders to shop_refund_charge;
grant select, update (status, reason, paid_at, rejected_at, canceled_at, refunded_at) on table ordering.orders to shop_settle_order;
grant select on table ordering.orders to shop_storefront;
grant select (id, user_id, status, created_at, paid_at, rejected_at, cancel_requested_at, canceled_at, refunded_at) on table ordering.orders to shop_sweep;
grant select on table ordering.products to shop_create_order;
grant select on table ordering.products to shop_storefront;
grant select (id, email, password_hash, role) on table users.users to shop_log_in;
grant insert (id, email, name, password_hash), select (id, email, name, created_at) on table users.users to shop_register_user;
grant select (id, email, name) on table users.users to shop_send_notification;
grant select (id, email, name, created_at) on table users.users to shop_storefront;
grant select (id, role, created_at) on table users.users to shop_sweep;
