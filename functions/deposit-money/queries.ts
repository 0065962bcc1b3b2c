import { maybeOne, statement } from '#platform/database/database.ts';
import type { ShopEvent } from '#platform/events/event.ts';
import type { Command } from '#platform/http/on-request.ts';

export interface StoredDeposit {
  id: string;
  amount: number;
  currency: string;
  balance: number;
  requestHash: Buffer;
  createdAt: Date;
}

const account = statement<{ id: string; currency: string }>(
  'deposit-money.account',
  `
  select id, currency
    from billing.accounts
   where user_id = $1::uuid`,
);

/** The caller's account, if it is open. */
export const findAccount = (userId: string) => maybeOne(account, [userId]);

const find = statement<StoredDeposit>(
  'deposit-money.find',
  `
  select id, amount, currency, balance_after as balance, request_hash as "requestHash", created_at as "createdAt"
    from billing.deposits
   where user_id = $1::uuid
     and idempotency_key = $2::text`,
);

/** The deposit that was made with this customer's key. */
export const findDeposit = (userId: string, idempotencyKey: string) => maybeOne(find, [userId, idempotencyKey]);

const insert = statement<StoredDeposit>(
  'deposit-money.insert',
  `
  with account as (
    select id, balance
      from billing.accounts
     where user_id = $2::uuid
       and currency = $6::text
       and deposited <= 9007199254740991 - $5::bigint
       for update
  ), decided as (
    insert into billing.deposits
           (id, account_id, user_id, idempotency_key, request_hash, amount, currency, balance_after)
    select $1::uuid, id, $2::uuid, $3::text, $4::bytea, $5::bigint, $6::text, balance + $5::bigint
      from account
    on conflict do nothing
    returning *
  ), deposited as (
    update billing.accounts a
       set balance = a.balance + d.amount,
           deposited = a.deposited + d.amount,
           version = a.version + 1
      from decided d
     where a.id = d.account_id
    returning a.version
  ), moved as (
    insert into billing.transfers
           (id, kind, debit_account_id, credit_account_id, amount, currency, account_version, balance_after)
    select d.id, 'deposit', '00000000-0000-0000-0000-000000000001', d.account_id,
           d.amount, d.currency, deposited.version, d.balance_after
      from decided d, deposited
  ), stored as (
    insert into events.outbox (id, event)
    select $7::text, $8::json
      from decided
  )
  select id, amount, currency, balance_after as balance, request_hash as "requestHash", created_at as "createdAt"
    from decided`,
);

/**
 * Credits a deposit, and inserts the outbox row of its event. Returns nothing if the key was used before, if the
 * account has another currency, or if the deposit exceeds its lifetime limit.
 */
export const insertDeposit = (
  { caller, idempotencyKey, requestHash, body }: Command<{ amount: number; currency: string }>,
  event: ShopEvent,
) =>
  maybeOne(insert, [
    event.subject,
    caller.id,
    idempotencyKey,
    requestHash,
    body.amount,
    body.currency,
    event.id,
    event,
  ]);
