import pg from 'pg';
import type { Database } from './database.ts';
import type { Shop } from './shop.ts';

const batchSize = 50_000;

/**
 * Stores paid and notified orders, spread over the customers, with their lines, charges, transfers and notifications,
 * until the table holds `wanted`. Returns how many it holds.
 */
export async function storeOrders(
  database: Database,
  wanted: number,
  report: (stored: number) => void,
): Promise<number> {
  for (let stored = await count(database); stored < wanted; stored = await count(database)) {
    report(stored);
    await database.sql(store, [Math.min(batchSize, wanted - stored)]);
  }
  // the state in which autovacuum and checkpoints leave a shop that grew slowly
  await database.sql('vacuum analyze');
  await database.sql('checkpoint');
  return count(database);
}

/** Opens a transaction with a snapshot of the shop that stays open; returns a function that ends it. */
export async function openReader({ databaseUrl }: Shop): Promise<() => Promise<void>> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query('begin isolation level repeatable read; select count(*) from ordering.orders');
  return () => client.end();
}

async function count(database: Database): Promise<number> {
  const [orders] = await database.sql<{ stored: number }>('select count(*) as stored from ordering.orders');
  return orders?.stored ?? 0;
}

// the orders are spread evenly over the customers, with running balances, so that the invariants still hold
const store = `
  with account as (
    select id, user_id, balance::bigint as balance, version, row_number() over () as nth, count(*) over () as customers
      from billing.accounts
     where user_id in (select id from users.users where role = 'customer')
       and balance > 100000
  ), sold as (
    select account.*, n, uuidv7(interval '-1 day') as order_id
      from account, lateral generate_series(1, ($1::int / customers + case when nth <= $1::int % customers then 1 else 0 end)::int) n
  ), placed as (
    insert into ordering.orders (id, user_id, idempotency_key, request_hash, status, total, currency, created_at, paid_at)
    select order_id, user_id, order_id, '', 'paid', 100, 'usd', now() - interval '1 day', now() - interval '1 day' from sold
    returning id
  ), lines as (
    insert into ordering.order_lines (order_id, line, sku, name, quantity, unit_price)
    select id, 1, 'pen', 'Pen', 1, 100 from placed
  ), charged as (
    insert into billing.charges (order_id, user_id, account_id, amount, currency, outcome, decided_at)
    select order_id, user_id, id, 100, 'usd', 'succeeded', now() - interval '1 day' from sold
  ), moved as (
    insert into billing.transfers (id, kind, debit_account_id, credit_account_id, amount, currency, order_id,
                                   account_version, balance_after, created_at)
    select uuidv7(interval '-1 day'), 'charge', id, '00000000-0000-0000-0000-000000000002', 100, 'usd', order_id,
           version + n, balance - 100 * n, now() - interval '1 day'
      from sold
  ), paid as (
    update billing.accounts a
       set balance = a.balance - 100 * times, version = a.version + times
      from (select id, count(*) as times from sold group by id) sum
     where sum.id = a.id
  )
  insert into notifying.notifications
         (id, event_id, user_id, order_id, template, recipient, subject, detail, correlation_id, status, attempts, due_at,
          created_at, sent_at)
  select uuidv7(interval '-1 day'), order_id || '.paid', user_id, order_id, 'order-paid', user_id || '@example.com',
         'Your order ' || order_id || ' is confirmed', '{}', order_id || '.placed', 'sent', 1, null,
         now() - interval '1 day', now() - interval '1 day'
    from sold`;
