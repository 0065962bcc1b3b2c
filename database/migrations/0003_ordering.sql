create schema ordering;

create table ordering.products (
  sku text primary key check (sku ~ '^[a-z0-9][a-z0-9-]{0,63}$'),
  name text not null,
  price bigint not null check (price between 0 and 9007199254740991),
  currency text not null check (currency ~ '^[a-z]{3}$')
);

insert into ordering.products (sku, name, price, currency) values
  ('chair', 'Chair', 20000, 'usd'),
  ('desk', 'Desk', 80000, 'usd'),
  ('pen', 'Pen', 100, 'usd'),
  ('sticker', 'Sticker', 1, 'usd');

create table ordering.orders (
  id uuid primary key,
  user_id uuid not null,
  idempotency_key text not null,
  request_hash bytea not null,
  status text not null default 'pending'
    check (status in ('pending', 'paid', 'rejected', 'canceling', 'canceled', 'refunded')),
  reason text,
  total bigint not null check (total between 1 and 9007199254740991),
  currency text not null check (currency ~ '^[a-z]{3}$'),
  -- each transition keeps its own time, never overwritten: a repeated event is answered by what it once led to
  created_at timestamptz not null default clock_timestamp(),
  paid_at timestamptz,
  rejected_at timestamptz,
  cancel_requested_at timestamptz,
  canceled_at timestamptz,
  refunded_at timestamptz,
  unique (user_id, idempotency_key),
  check ((status = 'rejected') = (rejected_at is not null)),
  check ((status = 'rejected') = (reason is not null)),
  check (status <> 'paid' or paid_at is not null),
  check (status <> 'pending' or coalesce(paid_at, rejected_at, cancel_requested_at) is null),
  check ((status in ('canceling', 'canceled', 'refunded')) = (cancel_requested_at is not null)),
  check ((status = 'canceled') = (canceled_at is not null)),
  check ((status = 'refunded') = (refunded_at is not null))
) with (fillfactor = 80); -- space in the page for the one update that nearly every order gets

-- a customer's orders, newest first (ids are UUIDv7 and grow with time)
create index orders_of_user on ordering.orders (user_id, id);

create table ordering.order_lines (
  order_id uuid not null references ordering.orders,
  line int not null,
  sku text not null,
  name text not null,
  quantity bigint not null check (quantity between 1 and 1000000),
  unit_price bigint not null check (unit_price between 0 and 9007199254740991),
  primary key (order_id, line)
);
