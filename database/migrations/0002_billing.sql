create schema billing;

-- Money is in minor units, at most 2^53 - 1 so that JSON and JavaScript carry it exactly.
create domain billing.money as bigint check (value between 0 and 9007199254740991);

create table billing.accounts (
  id uuid primary key,
  user_id uuid not null unique,
  currency text not null default 'usd' check (currency ~ '^[a-z]{3}$'),
  balance billing.money not null default 0,
  -- deposited over the account's life: capped, so that no refund can ever overflow the balance
  deposited billing.money not null default 0,
  -- grows by one a movement and orders them
  version bigint not null default 0,
  opened_at timestamptz not null default now(),
  check (balance <= deposited)
) with (fillfactor = 70);

-- A deposit is decided once: by its row. The transfer follows from the row that the insert gave back.
create table billing.deposits (
  id uuid primary key,
  account_id uuid not null references billing.accounts,
  user_id uuid not null,
  idempotency_key text not null,
  request_hash bytea not null,
  amount billing.money not null check (amount > 0),
  currency text not null,
  balance_after billing.money not null,
  created_at timestamptz not null default clock_timestamp(),
  unique (user_id, idempotency_key)
);

-- An order has one charge decision, however often its event is delivered: by the primary key.
create table billing.charges (
  order_id uuid constraint charges_once_an_order primary key,
  user_id uuid not null,
  account_id uuid references billing.accounts,
  amount billing.money not null,
  currency text not null,
  outcome text not null check (outcome in ('succeeded', 'declined')),
  reason text check (reason in ('insufficient_funds', 'currency_mismatch', 'account_not_found', 'order_canceled')),
  decided_at timestamptz not null default clock_timestamp(),
  check ((outcome = 'declined') = (reason is not null)),
  check (outcome = 'declined' or account_id is not null)
);

-- The ledger: one row names its debit and its credit account, so every movement is double entry.
-- The shop's own sides have no row in accounts and no balance, so that no row is hot:
--   world 00000000-0000-0000-0000-000000000001, sales 00000000-0000-0000-0000-000000000002
create table billing.transfers (
  id uuid primary key,
  kind text not null check (kind in ('deposit', 'charge', 'refund')),
  debit_account_id uuid not null,
  credit_account_id uuid not null,
  amount billing.money not null check (amount > 0),
  currency text not null,
  order_id uuid,
  -- the customer's side, and how the account stood after this movement
  account_id uuid not null generated always as (
    case when kind = 'charge' then debit_account_id else credit_account_id end
  ) stored references billing.accounts,
  account_version bigint not null check (account_version > 0),
  balance_after billing.money not null,
  created_at timestamptz not null default clock_timestamp(),
  unique (account_id, account_version),
  check (debit_account_id <> credit_account_id),
  check ((kind = 'deposit') = (order_id is null)),
  check (kind <> 'deposit' or debit_account_id = '00000000-0000-0000-0000-000000000001'),
  check (kind <> 'charge' or credit_account_id = '00000000-0000-0000-0000-000000000002'),
  check (kind <> 'refund' or debit_account_id = '00000000-0000-0000-0000-000000000002')
);
