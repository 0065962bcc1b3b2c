import { uuidv7 } from 'uuidv7';
import type { Database } from './database.ts';

/** Ids of new customers. */
export const newCustomers = (count: number): string[] => Array.from({ length: count }, () => uuidv7());

/** Balance of each customer: enough for any number of the cheapest product. */
export const deposit = 100_000_000;

/**
 * Adds customers to a database as register-user, create-account and deposit-money would: each with an account, a
 * deposit, its transfer, and both mails sent. In SQL, because hashing a password takes 36 ms.
 */
export async function seed(database: Database, userIds: string[]): Promise<void> {
  await database.sql(
    `
    with customer as (
      select *
        from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as customer (user_id, account_id, deposit_id)
    ), registered as (
      insert into users.users (id, email, name, password_hash)
      select user_id, user_id || '@example.com', 'Ann', '$argon2id$none'
        from customer
    ), opened as (
      insert into billing.accounts (id, user_id, balance, deposited, version)
      select account_id, user_id, $4::bigint, $4::bigint, 1
        from customer
    ), deposited as (
      insert into billing.deposits
             (id, account_id, user_id, idempotency_key, request_hash, amount, currency, balance_after)
      select deposit_id, account_id, user_id, deposit_id, '', $4::bigint, 'usd', $4::bigint
        from customer
    ), moved as (
      insert into billing.transfers
             (id, kind, debit_account_id, credit_account_id, amount, currency, account_version, balance_after)
      select deposit_id, 'deposit', '00000000-0000-0000-0000-000000000001', account_id, $4::bigint, 'usd', 1, $4::bigint
        from customer
    ), event as (
      select account_id || '.opened' as id, user_id, 'welcome' as template, user_id || '.registered' as chain
        from customer
      union all
      select deposit_id || '.succeeded', user_id, 'deposit-received', deposit_id || '.succeeded'
        from customer
    )
    insert into notifying.notifications
           (id, event_id, user_id, template, recipient, subject, detail, correlation_id, status, attempts, due_at, sent_at)
    select gen_random_uuid(), id, user_id, template, user_id || '@example.com', template, '{}', chain,
           'sent', 1, null, clock_timestamp()
      from event`,
    [userIds, newCustomers(userIds.length), newCustomers(userIds.length), deposit],
  );
  // the state in which autovacuum leaves them after a minute; the tables of orders have no statistics yet
  await database.sql('vacuum analyze users.users, billing.accounts, billing.deposits, billing.transfers');
  await database.sql('vacuum analyze notifying.notifications');
}
