import { uuidv7 } from 'uuidv7';
import { row, rows } from '#test/support/database.ts';

export interface Customer {
  userId: string;
  email: string;
  accountId: string | null;
}

/** A customer with an account and this balance; `balance: null` for no account. */
export async function customer({
  balance = 0,
  currency = 'usd',
}: { balance?: number | null; currency?: string } = {}): Promise<Customer> {
  const userId = uuidv7();
  const email = `${userId}@example.com`;
  await rows(`insert into users.users (id, email, name, password_hash) values ($1, $2, 'Ann', '$argon2id$test')`, [
    userId,
    email,
  ]);
  return { userId, email, accountId: balance === null ? null : await account(userId, balance, currency) };
}

/** Opens an account with this balance, as a deposit leaves it. */
export async function account(userId: string, balance: number, currency = 'usd'): Promise<string> {
  const id = uuidv7();
  await rows(
    `insert into billing.accounts (id, user_id, currency, balance, deposited, version) values ($1, $2, $3, $4, $4, $5)`,
    [id, userId, currency, balance, balance > 0 ? 1 : 0],
  );
  if (balance > 0) {
    await rows(
      `insert into billing.transfers (id, kind, debit_account_id, credit_account_id, amount, currency, account_version, balance_after)
       values ($1, 'deposit', '00000000-0000-0000-0000-000000000001', $2, $3, $4, 1, $3)`,
      [uuidv7(), id, balance, currency],
    );
  }
  return id;
}

/** A pending order of `total` stickers at 1 each, with its outbox row, as create-order leaves it. */
export async function order(userId: string, total: number, { currency = 'usd' } = {}): Promise<string> {
  const id = uuidv7();
  await rows(
    `insert into ordering.orders (id, user_id, idempotency_key, request_hash, total, currency)
     values ($1, $2, $3, '', $4, $5)`,
    [id, userId, id, total, currency],
  );
  await rows(
    `insert into ordering.order_lines (order_id, line, sku, name, quantity, unit_price)
     values ($1, 1, 'sticker', 'Sticker', $2, 1)`,
    [id, total],
  );
  await rows(`insert into events.outbox (id, event) values ($1, '{}')`, [`${id}.placed`]);
  return id;
}

/** The balance and version of an account, and the number of its transfers. */
export const standing = (accountId: string | null) =>
  row<{ balance: number; version: number; movements: number }>(
    `select balance::bigint, version, (select count(*) from billing.transfers where account_id = a.id) as movements
       from billing.accounts a
      where id = $1`,
    [accountId],
  );
