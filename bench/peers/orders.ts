import { createHash } from 'node:crypto';
import pg from 'pg';
import { concurrency } from './peer.ts';

/** An order; every peer processes it with the three statements below, each for one order and idempotent. */
export interface Order {
  id: string;
  customerId: string;
  key: string;
  items: { sku: string; quantity: number }[];
}

export type Decision = 'paid' | 'rejected';

/** A pool, or the connection that holds a transaction. */
export type Database = Pick<pg.ClientBase, 'query'>;

/** The tables of the shop that this scenario needs, with the same keys, checks and fill factor. */
export const schema = `
  create table products (
    sku   text primary key,
    price bigint not null check (price >= 0)
  );
  create table accounts (
    customer_id uuid primary key,
    balance     bigint not null check (balance >= 0)
  ) with (fillfactor = 80);
  create table orders (
    id              uuid primary key,
    customer_id     uuid not null,
    idempotency_key text not null,
    status          text not null default 'pending' check (status in ('pending', 'paid', 'rejected')),
    total           bigint not null,
    created_at      timestamptz not null default clock_timestamp(),
    decided_at      timestamptz,
    unique (customer_id, idempotency_key)
  ) with (fillfactor = 80);
  create table order_lines (
    order_id   uuid not null references orders,
    line       integer not null,
    sku        text not null,
    quantity   bigint not null,
    unit_price bigint not null,
    primary key (order_id, line)
  );
  create table ledger (
    order_id      uuid primary key,
    customer_id   uuid not null,
    amount        bigint not null,
    balance_after bigint not null,
    created_at    timestamptz not null default clock_timestamp()
  );
  create table notifications (
    order_id    uuid primary key,
    customer_id uuid not null,
    template    text not null,
    created_at  timestamptz not null default clock_timestamp()
  );
  insert into products values ('desk', 80000), ('chair', 20000), ('pen', 100), ('sticker', 1);`;

/** Opens the pool for a peer's steps. */
export function openPool(databaseUrl: string): pg.Pool {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: concurrency });
  pool.on('error', () => undefined); // the next statement fails too, with the reason
  return pool;
}

/** Derives the id of an order: the same customer with the same key gets the same order. */
export function orderIdOf(customerId: string, key: string): string {
  const hex = createHash('sha256').update(`${customerId} ${key}`).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    '-',
  );
}

/** Step 1: stores the order with its lines, priced from the catalogue. */
export async function createOrder(database: Database, { id, customerId, key, items }: Order): Promise<void> {
  await database.query({
    name: 'create-order',
    text: `
      with wanted as (
        select line, sku, quantity, price
          from unnest($4::text[], $5::bigint[]) with ordinality as item (sku, quantity, line)
          join products using (sku)
      ), placed as (
        insert into orders (id, customer_id, idempotency_key, total)
        select $1::uuid, $2::uuid, $3::text, sum(price * quantity)
          from wanted
            on conflict do nothing
        returning id
      )
      insert into order_lines (order_id, line, sku, quantity, unit_price)
      select placed.id, line, sku, quantity, price
        from placed, wanted`,
    values: [id, customerId, key, items.map(({ sku }) => sku), items.map(({ quantity }) => quantity)],
  });
}

/** Step 2: debits the account and writes the ledger row, unless the balance is too low. */
export async function charge(database: Database, orderId: string): Promise<Decision> {
  // a concurrent second charge of the order violates the ledger's key, which rolls back its debit
  const { rows } = await database.query<{ charged: boolean }>({
    name: 'charge',
    text: `
      with debited as (
        update accounts
           set balance = balance - total
          from orders
         where orders.id = $1::uuid
           and orders.status = 'pending'
           and accounts.customer_id = orders.customer_id
           and balance >= total
           and not exists (select from ledger where order_id = $1::uuid)
        returning orders.id, accounts.customer_id, total, balance
      ), written as (
        insert into ledger (order_id, customer_id, amount, balance_after)
        select id, customer_id, total, balance
          from debited
        returning order_id
      )
      select exists (select from written) or exists (select from ledger where order_id = $1::uuid) as charged`,
    values: [orderId],
  });
  return rows[0]?.charged ? 'paid' : 'rejected';
}

/** Step 3: sets the status of the order and stores the notification. */
export async function settle(database: Database, orderId: string, decision: Decision): Promise<void> {
  await database.query({
    name: 'settle',
    text: `
      with settled as (
        update orders
           set status = $2::text, decided_at = clock_timestamp()
         where id = $1::uuid
           and status = 'pending'
        returning id, customer_id
      )
      insert into notifications (order_id, customer_id, template)
      select id, customer_id, 'order-' || $2::text
        from settled`,
    values: [orderId, decision],
  });
}

/** Runs `work` in one transaction. */
export async function inTransaction<Result>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    const result = await work(client);
    await client.query('commit');
    client.release();
    return result;
  } catch (error) {
    client.release(true); // closing the connection rolls back
    throw error;
  }
}
