import { beforeEach, expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { rows, useDatabase } from '#test/support/database.ts';
import { customer, order } from '#test/support/fixtures.ts';
import { context } from '#test/support/context.ts';
import { createVerification } from './verify.ts';

const verify = (pages?: { accounts: number; orders: number }) => createVerification(context.database, pages)();

useDatabase();

beforeEach(() =>
  rows(
    'truncate users.users, billing.accounts, billing.transfers, billing.charges, billing.deposits, ordering.orders, ' +
      'ordering.order_lines, notifying.notifications',
  ),
);

/** An order as it is once it was paid, an hour ago, with everything that belongs to it. */
async function paid() {
  const { userId, accountId } = await customer({ balance: 1_000 });
  await rows(
    `insert into billing.deposits (id, account_id, user_id, idempotency_key, request_hash, amount, currency, balance_after)
     select id, account_id, $1, 'k', '', amount, currency, amount from billing.transfers where account_id = $2`,
    [userId, accountId],
  );
  const orderId = await order(userId, 800);
  await rows(
    `with paid as (
       update ordering.orders
          set status = 'paid', created_at = now() - interval '2 hours', paid_at = now() - interval '1 hour'
        where id = $1
     ), charged as (
       insert into billing.charges (order_id, user_id, account_id, amount, currency, outcome, decided_at)
       values ($1, $2, $3, 800, 'usd', 'succeeded', now() - interval '90 minutes')
     ), debited as (
       update billing.accounts set balance = 200, version = 2 where id = $3
     ), moved as (
       insert into billing.transfers (id, kind, debit_account_id, credit_account_id, amount, currency, order_id,
                                      account_version, balance_after)
       values ($4, 'charge', $3, '00000000-0000-0000-0000-000000000002', 800, 'usd', $1, 2, 200)
     )
     insert into notifying.notifications (id, event_id, user_id, order_id, template, recipient, subject, detail, correlation_id)
     values ($4, $1 || '.paid', $2, $1, 'order-paid', '', '', '{}', '')`.replaceAll('$1', '$1::uuid'),
    [orderId, userId, accountId, uuidv7()],
  );
  return { userId, accountId, orderId };
}

// promise: verification
test('reports a sound shop as balanced, however many pages it reads', async () => {
  for (let count = 0; count < 7; count += 1) await paid();
  await customer({ balance: null });
  const whole = { balanced: true, accounts: 7, transfers: 14, orders: 7, differences: [] };
  expect(await verify()).toEqual(whole);
  expect(await verify({ accounts: 2, orders: 3 })).toEqual(whole);
});

// promise: verification
test('reports what is in flight as a difference only after a quarter of an hour', async () => {
  const { userId } = await customer({ balance: 10 });
  await rows(
    `insert into billing.deposits (id, account_id, user_id, idempotency_key, request_hash, amount, currency, balance_after)
     select id, account_id, $1, 'k', '', amount, currency, amount from billing.transfers`,
    [userId],
  );
  const orderId = await order(userId, 5);
  expect(await verify()).toMatchObject({ balanced: true });
  await rows(`update ordering.orders set created_at = now() - interval '20 minutes'`);
  expect(await verify()).toMatchObject({
    balanced: false,
    differences: [{ invariant: 'I4 every order is settled', subject: orderId, detail: 'pending' }],
  });
});

// the database itself refuses a negative balance, two refunds and a key used twice
// promise: verification
test.each([
  ['I1', `update billing.transfers set currency = 'eur' where kind = 'deposit'`],
  ['I2', 'update billing.accounts set balance = 199'],
  ['I2', 'update billing.accounts set version = 3'],
  ['I2', 'update billing.transfers set balance_after = 201 where account_version = 2'],
  ['I5', 'delete from notifying.notifications'],
  ['I6', 'update billing.transfers set amount = 799 where account_version = 2'],
  ['I6', `update billing.charges set outcome = 'declined', reason = 'insufficient_funds'`],
  ['I6', `delete from billing.transfers where kind = 'charge'`],
  ['I7', `update ordering.orders set status = 'rejected', reason = 'x', rejected_at = paid_at, paid_at = null`],
  ['I8', 'update ordering.order_lines set quantity = quantity + 1'],
  ['I11', `update ordering.orders set paid_at = created_at - interval '1 second'`],
  ['I12', 'delete from billing.deposits'],
])('reports a violation of %s after: %s', async (name, broken) => {
  await paid();
  await rows(broken);
  const { balanced, differences } = await verify();
  expect(balanced).toBe(false);
  expect(differences.map(({ invariant }) => invariant.split(' ')[0])).toContain(name);
});

test('reports up to a hundred differences', async () => {
  await rows(
    `insert into ordering.orders (id, user_id, idempotency_key, request_hash, total, currency)
     select gen_random_uuid(), gen_random_uuid(), 'k', '', 1, 'usd' from generate_series(1, 500)`,
  );
  expect((await verify({ accounts: 10, orders: 50 })).differences).toHaveLength(100);
});

test('returns the result of the running verification to a call during it', async () => {
  await paid();
  const shared = createVerification(context.database);
  const [one, other] = [shared(), shared()];
  expect(await one).toBe(await other);
});
