-- The schema that the migrations create, as pg_dump writes it. Written by `npm run schema`; to change it, add a
-- migration. The roles belong to the server: migrations/0008_rights.sql creates them.

create schema billing;

create schema events;

create schema notifying;

create schema ordering;

create schema users;

create domain billing.money as bigint
	constraint money_check check (((value >= 0) and (value <= '9007199254740991'::bigint)));

create table billing.accounts (
    id uuid not null,
    user_id uuid not null,
    currency text default 'usd'::text not null,
    balance billing.money default 0 not null,
    deposited billing.money default 0 not null,
    version bigint default 0 not null,
    opened_at timestamp with time zone default now() not null,
    constraint accounts_check check (((balance)::bigint <= (deposited)::bigint)),
    constraint accounts_currency_check check ((currency ~ '^[a-z]{3}$'::text))
)
with (fillfactor='70');

create table billing.charges (
    order_id uuid not null,
    user_id uuid not null,
    account_id uuid,
    amount billing.money not null,
    currency text not null,
    outcome text not null,
    reason text,
    decided_at timestamp with time zone default clock_timestamp() not null,
    constraint charges_check check (((outcome = 'declined'::text) = (reason is not null))),
    constraint charges_check1 check (((outcome = 'declined'::text) or (account_id is not null))),
    constraint charges_outcome_check check ((outcome = any (array['succeeded'::text, 'declined'::text]))),
    constraint charges_reason_check check ((reason = any (array['insufficient_funds'::text, 'currency_mismatch'::text, 'account_not_found'::text, 'order_canceled'::text])))
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
    created_at timestamp with time zone default clock_timestamp() not null,
    constraint deposits_amount_check check (((amount)::bigint > 0))
);

create table billing.transfers (
    id uuid not null,
    kind text not null,
    debit_account_id uuid not null,
    credit_account_id uuid not null,
    amount billing.money not null,
    currency text not null,
    order_id uuid,
    account_id uuid generated always as (
case
    when (kind = 'charge'::text) then debit_account_id
    else credit_account_id
end) stored not null,
    account_version bigint not null,
    balance_after billing.money not null,
    created_at timestamp with time zone default clock_timestamp() not null,
    constraint transfers_account_version_check check ((account_version > 0)),
    constraint transfers_amount_check check (((amount)::bigint > 0)),
    constraint transfers_check check ((debit_account_id <> credit_account_id)),
    constraint transfers_check1 check (((kind = 'deposit'::text) = (order_id is null))),
    constraint transfers_check2 check (((kind <> 'deposit'::text) or (debit_account_id = '00000000-0000-0000-0000-000000000001'::uuid))),
    constraint transfers_check3 check (((kind <> 'charge'::text) or (credit_account_id = '00000000-0000-0000-0000-000000000002'::uuid))),
    constraint transfers_check4 check (((kind <> 'refund'::text) or (debit_account_id = '00000000-0000-0000-0000-000000000002'::uuid))),
    constraint transfers_kind_check check ((kind = any (array['deposit'::text, 'charge'::text, 'refund'::text])))
);

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
    times integer default 1 not null,
    first_parked_at timestamp with time zone default clock_timestamp() not null,
    last_parked_at timestamp with time zone default clock_timestamp() not null,
    replayed_at timestamp with time zone,
    bulk_at timestamp with time zone,
    body bytea,
    constraint dead_letters_reason_check check ((reason = any (array['refused'::text, 'unverified'::text, 'undelivered'::text])))
);

create table events.outbox (
    id text not null collate pg_catalog."C",
    event json not null,
    attempts integer default 0 not null,
    due_at timestamp with time zone default (clock_timestamp() + '00:00:01'::interval) not null,
    created_at timestamp with time zone default clock_timestamp() not null
)
with (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='10000');

create table notifying.notifications (
    id uuid not null,
    event_id text constraint notifications_fact_not_null not null collate pg_catalog."C",
    user_id uuid not null,
    order_id uuid,
    template text not null,
    recipient text not null,
    subject text not null,
    detail jsonb not null,
    correlation_id text not null,
    status text default 'queued'::text not null,
    attempts integer default 0 not null,
    due_at timestamp with time zone default (clock_timestamp() + '00:01:00'::interval),
    error text,
    created_at timestamp with time zone default clock_timestamp() not null,
    sent_at timestamp with time zone,
    digest_at timestamp with time zone,
    constraint notifications_check check (((status = 'queued'::text) = (due_at is not null))),
    constraint notifications_check1 check (((status = 'sent'::text) = (sent_at is not null))),
    constraint notifications_status_check check ((status = any (array['queued'::text, 'sent'::text, 'failed'::text]))),
    constraint notifications_template_check check ((template = any (array['welcome'::text, 'deposit-received'::text, 'order-paid'::text, 'order-rejected'::text, 'order-refunded'::text, 'order-canceled'::text])))
)
with (fillfactor='80');

create table ordering.order_lines (
    order_id uuid not null,
    line integer not null,
    sku text not null,
    name text not null,
    quantity bigint not null,
    unit_price bigint not null,
    constraint order_lines_quantity_check check (((quantity >= 1) and (quantity <= 1000000))),
    constraint order_lines_unit_price_check check (((unit_price >= 0) and (unit_price <= '9007199254740991'::bigint)))
);

create table ordering.orders (
    id uuid not null,
    user_id uuid not null,
    idempotency_key text not null,
    request_hash bytea not null,
    status text default 'pending'::text not null,
    reason text,
    total bigint not null,
    currency text not null,
    created_at timestamp with time zone default clock_timestamp() not null,
    paid_at timestamp with time zone,
    rejected_at timestamp with time zone,
    cancel_requested_at timestamp with time zone,
    canceled_at timestamp with time zone,
    refunded_at timestamp with time zone,
    line_count integer,
    constraint orders_check check (((status = 'rejected'::text) = (rejected_at is not null))),
    constraint orders_check1 check (((status = 'rejected'::text) = (reason is not null))),
    constraint orders_check2 check (((status <> 'paid'::text) or (paid_at is not null))),
    constraint orders_check3 check (((status <> 'pending'::text) or (coalesce(paid_at, rejected_at, cancel_requested_at) is null))),
    constraint orders_check4 check (((status = any (array['canceling'::text, 'canceled'::text, 'refunded'::text])) = (cancel_requested_at is not null))),
    constraint orders_check5 check (((status = 'canceled'::text) = (canceled_at is not null))),
    constraint orders_check6 check (((status = 'refunded'::text) = (refunded_at is not null))),
    constraint orders_currency_check check ((currency ~ '^[a-z]{3}$'::text)),
    constraint orders_status_check check ((status = any (array['pending'::text, 'paid'::text, 'rejected'::text, 'canceling'::text, 'canceled'::text, 'refunded'::text]))),
    constraint orders_total_check check (((total >= 1) and (total <= '9007199254740991'::bigint)))
)
with (fillfactor='80');

create table ordering.products (
    sku text not null,
    name text not null,
    price bigint not null,
    currency text not null,
    constraint products_currency_check check ((currency ~ '^[a-z]{3}$'::text)),
    constraint products_price_check check (((price >= 0) and (price <= '9007199254740991'::bigint))),
    constraint products_sku_check check ((sku ~ '^[a-z0-9][a-z0-9-]{0,63}$'::text))
);

create table users.users (
    id uuid not null,
    email text not null,
    name text not null,
    password_hash text not null,
    role text default 'customer'::text not null,
    created_at timestamp with time zone default now() not null,
    was_admin boolean default false not null,
    constraint users_email_check check ((email = lower(email))),
    constraint users_password_hash_check check ((password_hash ~~ '$argon2id$%'::text)),
    constraint users_role_check check ((role = any (array['customer'::text, 'admin'::text])))
);

alter table only billing.accounts
    add constraint accounts_pkey primary key (id);

alter table only billing.accounts
    add constraint accounts_user_id_key unique (user_id);

alter table only billing.charges
    add constraint charges_once_an_order primary key (order_id);

alter table only billing.deposits
    add constraint deposits_pkey primary key (id);

alter table only billing.deposits
    add constraint deposits_user_id_idempotency_key_key unique (user_id, idempotency_key);

alter table only billing.transfers
    add constraint transfers_account_id_account_version_key unique (account_id, account_version);

alter table only billing.transfers
    add constraint transfers_pkey primary key (id);

alter table only events.dead_letters
    add constraint dead_letters_pkey primary key (id);

alter table only events.dead_letters
    add constraint dead_letters_verified_source_event_id_key unique (verified, source, event_id);

alter table only events.outbox
    add constraint outbox_pkey primary key (id);

alter table only notifying.notifications
    add constraint notifications_event_id_key unique (event_id);

alter table only notifying.notifications
    add constraint notifications_pkey primary key (id);

alter table only ordering.order_lines
    add constraint order_lines_pkey primary key (order_id, line);

alter table only ordering.orders
    add constraint orders_pkey primary key (id);

alter table only ordering.orders
    add constraint orders_user_id_idempotency_key_key unique (user_id, idempotency_key);

alter table only ordering.products
    add constraint products_pkey primary key (sku);

alter table only users.users
    add constraint users_email_key unique (email);

alter table only users.users
    add constraint users_pkey primary key (id);

create index deposits_by_time on billing.deposits using btree (user_id, created_at);

create unique index refunds_once_an_order on billing.transfers using btree (order_id) where (kind = 'refund'::text);

create index dead_letters_by_time on events.dead_letters using btree (first_parked_at, id);

create index dead_letters_of_bulk on events.dead_letters using btree (bulk_at) where (bulk_at is not null);

create index dead_letters_of_chain on events.dead_letters using btree (correlation_id);

create index outbox_due on events.outbox using btree (due_at);

create index notifications_by_time on notifying.notifications using btree (user_id, created_at);

create index notifications_due on notifying.notifications using btree (due_at) where (due_at is not null);

create index notifications_of_digest on notifying.notifications using btree (user_id, digest_at) where (digest_at is not null);

create index orders_by_cancel on ordering.orders using btree (user_id, cancel_requested_at) where (cancel_requested_at is not null);

create index orders_by_time on ordering.orders using btree (user_id, created_at);

create index orders_cancel_requested on ordering.orders using btree (cancel_requested_at) where (cancel_requested_at is not null);

alter table only billing.charges
    add constraint charges_account_id_fkey foreign key (account_id) references billing.accounts(id);

alter table only billing.deposits
    add constraint deposits_account_id_fkey foreign key (account_id) references billing.accounts(id);

alter table only billing.transfers
    add constraint transfers_account_id_fkey foreign key (account_id) references billing.accounts(id);

alter table only ordering.order_lines
    add constraint order_lines_order_id_fkey foreign key (order_id) references ordering.orders(id);

grant usage on schema billing to shop_create_account;
grant usage on schema billing to shop_deposit_money;
grant usage on schema billing to shop_charge_account;
grant usage on schema billing to shop_refund_charge;
grant usage on schema billing to shop_storefront;
grant usage on schema billing to shop_sweep;

grant usage on schema events to shop_register_user;
grant usage on schema events to shop_deposit_money;
grant usage on schema events to shop_create_order;
grant usage on schema events to shop_cancel_order;
grant usage on schema events to shop_settle_order;
grant usage on schema events to shop_send_notification;
grant usage on schema events to shop_park_event;
grant usage on schema events to shop_replay_events;
grant usage on schema events to shop_sweep;
grant usage on schema events to shop_storefront;

grant usage on schema notifying to shop_send_notification;
grant usage on schema notifying to shop_storefront;
grant usage on schema notifying to shop_sweep;

grant usage on schema ordering to shop_create_order;
grant usage on schema ordering to shop_charge_account;
grant usage on schema ordering to shop_settle_order;
grant usage on schema ordering to shop_cancel_order;
grant usage on schema ordering to shop_refund_charge;
grant usage on schema ordering to shop_send_notification;
grant usage on schema ordering to shop_storefront;
grant usage on schema ordering to shop_sweep;

grant usage on schema users to shop_register_user;
grant usage on schema users to shop_log_in;
grant usage on schema users to shop_send_notification;
grant usage on schema users to shop_storefront;
grant usage on schema users to shop_sweep;

grant select on table billing.accounts to shop_create_account;
grant select on table billing.accounts to shop_deposit_money;
grant select on table billing.accounts to shop_charge_account;
grant select on table billing.accounts to shop_refund_charge;
grant select on table billing.accounts to shop_storefront;

grant insert(id) on table billing.accounts to shop_create_account;
grant select(id) on table billing.accounts to shop_sweep;

grant insert(user_id) on table billing.accounts to shop_create_account;
grant select(user_id) on table billing.accounts to shop_sweep;

grant update(balance) on table billing.accounts to shop_deposit_money;
grant update(balance) on table billing.accounts to shop_charge_account;
grant update(balance) on table billing.accounts to shop_refund_charge;

grant update(deposited) on table billing.accounts to shop_deposit_money;

grant update(version) on table billing.accounts to shop_deposit_money;
grant update(version) on table billing.accounts to shop_charge_account;
grant update(version) on table billing.accounts to shop_refund_charge;

grant select(opened_at) on table billing.accounts to shop_sweep;

grant select,insert on table billing.charges to shop_charge_account;
grant select,insert on table billing.charges to shop_refund_charge;
grant select on table billing.charges to shop_storefront;

grant select,insert on table billing.deposits to shop_deposit_money;
grant select on table billing.deposits to shop_storefront;

grant select(id) on table billing.deposits to shop_sweep;

grant select(account_id) on table billing.deposits to shop_sweep;

grant select(user_id) on table billing.deposits to shop_sweep;

grant select(amount) on table billing.deposits to shop_sweep;

grant select(currency) on table billing.deposits to shop_sweep;

grant select(created_at) on table billing.deposits to shop_sweep;

grant insert on table billing.transfers to shop_deposit_money;
grant insert on table billing.transfers to shop_charge_account;
grant select,insert on table billing.transfers to shop_refund_charge;
grant select on table billing.transfers to shop_storefront;

grant select,insert,delete on table events.dead_letters to shop_park_event;
grant select,insert on table events.dead_letters to shop_sweep;
grant select on table events.dead_letters to shop_replay_events;
grant select on table events.dead_letters to shop_storefront;

grant update(reason) on table events.dead_letters to shop_park_event;
grant update(reason) on table events.dead_letters to shop_sweep;

grant update(detail) on table events.dead_letters to shop_park_event;
grant update(detail) on table events.dead_letters to shop_sweep;

grant update(times) on table events.dead_letters to shop_park_event;
grant update(times) on table events.dead_letters to shop_sweep;

grant update(last_parked_at) on table events.dead_letters to shop_park_event;
grant update(last_parked_at) on table events.dead_letters to shop_sweep;

grant update(replayed_at) on table events.dead_letters to shop_replay_events;

grant update(bulk_at) on table events.dead_letters to shop_replay_events;

grant delete on table events.outbox to shop_settle_order;
grant delete on table events.outbox to shop_park_event;
grant delete on table events.outbox to shop_send_notification;
grant select,delete on table events.outbox to shop_sweep;
grant select,delete on table events.outbox to shop_replay_events;

grant select(id),insert(id) on table events.outbox to shop_register_user;
grant select(id),insert(id) on table events.outbox to shop_deposit_money;
grant select(id),insert(id) on table events.outbox to shop_create_order;
grant select(id),insert(id) on table events.outbox to shop_cancel_order;
grant select(id) on table events.outbox to shop_settle_order;
grant select(id) on table events.outbox to shop_park_event;
grant select(id) on table events.outbox to shop_send_notification;
grant insert(id) on table events.outbox to shop_replay_events;
grant select(id) on table events.outbox to shop_storefront;
grant insert(id) on table events.outbox to shop_sweep;

grant select(event),insert(event) on table events.outbox to shop_register_user;
grant select(event),insert(event) on table events.outbox to shop_deposit_money;
grant select(event),insert(event) on table events.outbox to shop_create_order;
grant select(event),insert(event) on table events.outbox to shop_cancel_order;
grant insert(event) on table events.outbox to shop_replay_events;
grant insert(event) on table events.outbox to shop_sweep;

grant select(attempts),update(attempts) on table events.outbox to shop_register_user;
grant select(attempts),update(attempts) on table events.outbox to shop_deposit_money;
grant select(attempts),update(attempts) on table events.outbox to shop_create_order;
grant select(attempts),update(attempts) on table events.outbox to shop_cancel_order;
grant update(attempts) on table events.outbox to shop_sweep;
grant update(attempts) on table events.outbox to shop_replay_events;
grant select(attempts) on table events.outbox to shop_storefront;

grant select(due_at),update(due_at) on table events.outbox to shop_register_user;
grant select(due_at),update(due_at) on table events.outbox to shop_deposit_money;
grant select(due_at),update(due_at) on table events.outbox to shop_create_order;
grant select(due_at),update(due_at) on table events.outbox to shop_cancel_order;
grant update(due_at) on table events.outbox to shop_send_notification;
grant insert(due_at),update(due_at) on table events.outbox to shop_sweep;
grant insert(due_at),update(due_at) on table events.outbox to shop_replay_events;
grant select(due_at) on table events.outbox to shop_storefront;

grant insert(created_at) on table events.outbox to shop_replay_events;

grant select on table notifying.notifications to shop_send_notification;
grant select on table notifying.notifications to shop_storefront;

grant insert(id) on table notifying.notifications to shop_send_notification;

grant insert(event_id) on table notifying.notifications to shop_send_notification;
grant select(event_id) on table notifying.notifications to shop_sweep;

grant insert(user_id) on table notifying.notifications to shop_send_notification;

grant insert(order_id) on table notifying.notifications to shop_send_notification;

grant insert(template) on table notifying.notifications to shop_send_notification;

grant insert(recipient) on table notifying.notifications to shop_send_notification;

grant insert(subject) on table notifying.notifications to shop_send_notification;

grant insert(detail) on table notifying.notifications to shop_send_notification;

grant insert(correlation_id) on table notifying.notifications to shop_send_notification;

grant update(status) on table notifying.notifications to shop_send_notification;

grant update(attempts) on table notifying.notifications to shop_send_notification;

grant update(due_at) on table notifying.notifications to shop_send_notification;

grant update(error) on table notifying.notifications to shop_send_notification;

grant update(sent_at) on table notifying.notifications to shop_send_notification;

grant update(digest_at) on table notifying.notifications to shop_send_notification;

grant select,insert on table ordering.order_lines to shop_create_order;
grant select on table ordering.order_lines to shop_cancel_order;
grant select on table ordering.order_lines to shop_send_notification;
grant select on table ordering.order_lines to shop_storefront;

grant select on table ordering.orders to shop_create_order;
grant select on table ordering.orders to shop_charge_account;
grant select on table ordering.orders to shop_refund_charge;
grant select on table ordering.orders to shop_settle_order;
grant select on table ordering.orders to shop_cancel_order;
grant select on table ordering.orders to shop_storefront;

grant insert(id) on table ordering.orders to shop_create_order;
grant select(id) on table ordering.orders to shop_sweep;

grant insert(user_id) on table ordering.orders to shop_create_order;
grant select(user_id) on table ordering.orders to shop_sweep;

grant insert(idempotency_key) on table ordering.orders to shop_create_order;

grant insert(request_hash) on table ordering.orders to shop_create_order;

grant update(status) on table ordering.orders to shop_settle_order;
grant update(status) on table ordering.orders to shop_cancel_order;
grant select(status) on table ordering.orders to shop_sweep;

grant update(reason) on table ordering.orders to shop_settle_order;

grant insert(total) on table ordering.orders to shop_create_order;

grant insert(currency) on table ordering.orders to shop_create_order;

grant select(created_at) on table ordering.orders to shop_sweep;

grant update(paid_at) on table ordering.orders to shop_settle_order;
grant select(paid_at) on table ordering.orders to shop_sweep;

grant update(rejected_at) on table ordering.orders to shop_settle_order;
grant select(rejected_at) on table ordering.orders to shop_sweep;

grant update(cancel_requested_at) on table ordering.orders to shop_cancel_order;
grant select(cancel_requested_at) on table ordering.orders to shop_sweep;

grant update(canceled_at) on table ordering.orders to shop_settle_order;
grant select(canceled_at) on table ordering.orders to shop_sweep;

grant update(refunded_at) on table ordering.orders to shop_settle_order;
grant select(refunded_at) on table ordering.orders to shop_sweep;

grant insert(line_count) on table ordering.orders to shop_create_order;

grant select on table ordering.products to shop_create_order;
grant select on table ordering.products to shop_storefront;

grant select(id),insert(id) on table users.users to shop_register_user;
grant select(id) on table users.users to shop_log_in;
grant select(id) on table users.users to shop_send_notification;
grant select(id) on table users.users to shop_storefront;
grant select(id) on table users.users to shop_sweep;

grant select(email),insert(email) on table users.users to shop_register_user;
grant select(email) on table users.users to shop_log_in;
grant select(email) on table users.users to shop_send_notification;
grant select(email) on table users.users to shop_storefront;

grant select(name),insert(name) on table users.users to shop_register_user;
grant select(name) on table users.users to shop_send_notification;
grant select(name) on table users.users to shop_storefront;

grant insert(password_hash) on table users.users to shop_register_user;
grant select(password_hash) on table users.users to shop_log_in;

grant select(role) on table users.users to shop_log_in;
grant select(role) on table users.users to shop_sweep;

grant select(created_at) on table users.users to shop_register_user;
grant select(created_at) on table users.users to shop_storefront;
grant select(created_at) on table users.users to shop_sweep;
