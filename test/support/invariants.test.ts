import { beforeAll, expect, test } from '@jest/globals';
import type pg from 'pg';
import { connection, useDatabase } from '#test/support/database.ts';
import {
  annsAccount,
  annsDeposit,
  ann,
  bob,
  canceled,
  given,
  id,
  paid,
  refunded,
  rejected,
  sales,
  soundShop,
  world,
} from './sound-shop.ts';
import { invariants, mailViolations, parameters, type Violation } from './invariants.ts';

// An invariant that cannot be violated proves nothing. Each test violates one on purpose, in a transaction that is rolled
// back, after dropping the constraints that would prevent it.

useDatabase();

let client: pg.Client;
beforeAll(async () => {
  client = await connection();
  await client.query(soundShop);
});

async function violated(): Promise<string[]> {
  const { rows } = await client.query<Violation>(invariants, parameters(given));
  return [...new Set(rows.map(({ name }) => name))];
}

test('a sound shop violates nothing', async () => {
  expect(await violated()).toEqual([]);
});

/** Drops the checks and keys of these tables and of the money domain. */
const unconstrain = (...tables: string[]) => `
  alter domain billing.money drop constraint money_check;
  do $$
  declare removed record;
  begin
    for removed in
      select conrelid::regclass as name, conname
        from pg_constraint
       where conrelid = any ('{${tables.join()}}'::regclass[])
         and contype in ('c', 'u', 'f')
    loop
      execute format('alter table %s drop constraint %I', removed.name, removed.conname);
    end loop;
  end $$;`;

const notification = (eventId: string, user: string, recipient: string) => `
  insert into notifying.notifications
         (id, event_id, user_id, order_id, template, recipient, subject, detail, correlation_id)
  values (gen_random_uuid(), '${eventId}', '${user}', '${paid}', 'order-paid', '${recipient}', '', '{}', '')`;

const transfer = (
  kind: string,
  debit: string,
  credit: string,
  amount: number,
  order: string,
  version: number,
  after: number,
) => `
  insert into billing.transfers
         (id, kind, debit_account_id, credit_account_id, amount, currency, order_id, account_version, balance_after)
  values (gen_random_uuid(), '${kind}', '${debit}', '${credit}', ${amount}, 'usd', '${order}', ${version}, ${after});
  update billing.accounts set balance = ${after}, version = ${version} where id = '${annsAccount}'`;

const order = (which: string, changes: string) => `update ordering.orders set ${changes} where id = '${which}'`;

test.each<[how: string, violation: string[], sql: string]>([
  [
    'a transfer in another currency',
    [
      'I1 every transfer has one debit and one credit account of one currency',
      'I6 an order is charged once at most, its total, from its customer',
    ],
    `update billing.transfers set currency = 'eur' where id = '${id(33)}'`,
  ],
  [
    'a charge that does not go to sales',
    ['I1 every transfer has one debit and one credit account of one currency'],
    `${unconstrain('billing.transfers')} update billing.transfers set credit_account_id = '${world}' where id = '${id(31)}'`,
  ],
  [
    'a balance changed without a transfer',
    ['I2 each balance is the sum of its transfers, and its version their number'],
    `update billing.accounts set balance = 201 where id = '${annsAccount}'`,
  ],
  [
    'a version without a transfer',
    ['I2 each balance is the sum of its transfers, and its version their number'],
    `update billing.accounts set version = 5 where id = '${annsAccount}'`,
  ],
  [
    'a transfer with a wrong balance',
    ['I2 each transfer says how the account stood after it'],
    `update billing.transfers set balance_after = 201 where id = '${id(31)}'`,
  ],
  [
    'a gap between the versions',
    ['I2 each transfer says how the account stood after it'],
    `update billing.transfers set account_version = 9 where id = '${id(33)}'`,
  ],
  [
    'a balance below zero',
    ['I3 no balance is negative'],
    `${unconstrain('billing.accounts', 'billing.transfers', 'billing.deposits')}
     update billing.deposits set amount = 700 where id = '${annsDeposit}';
     update billing.transfers set amount = 700 where id = '${annsDeposit}';
     update billing.transfers set balance_after = balance_after::bigint - 300 where account_id = '${annsAccount}';
     update billing.accounts set balance = -100 where id = '${annsAccount}'`,
  ],
  [
    'an order that was lost',
    [
      'I4 every accepted order exists',
      'I4 every accepted cancel has begun',
      'I5 each notification has its event, and the right recipient',
    ],
    `${unconstrain('ordering.order_lines')} delete from ordering.orders where id = '${canceled}'`,
  ],
  [
    'a cancel that was lost',
    ['I4 every accepted cancel has begun', 'I4 every order is settled'],
    `${order(canceled, `status = 'pending', cancel_requested_at = null, canceled_at = null`)};
     delete from notifying.notifications where event_id = '${canceled}.canceled'`,
  ],
  [
    'an order that stays pending',
    ['I4 every order is settled'],
    `${unconstrain('ordering.orders')}
     insert into ordering.orders (id, user_id, idempotency_key, request_hash, total, currency)
     values ('${id(99)}', '${ann}', 'e', '', 1, 'usd');
     insert into ordering.order_lines values ('${id(99)}', 1, 'sticker', 'Sticker', 1, 1)`,
  ],
  [
    'a missing notification',
    ['I5 each event is notified'],
    `delete from notifying.notifications where event_id = '${paid}.paid'`,
  ],
  [
    'a missing notification of a refund',
    ['I5 each event is notified'],
    `delete from notifying.notifications where event_id = '${refunded}.refunded'`,
  ],
  [
    'a second notification of one event',
    ['I5 each event is notified once'],
    `${unconstrain('notifying.notifications')} ${notification(`${paid}.paid`, ann, 'ann@example.com')}`,
  ],
  [
    'a notification of an event that did not happen',
    ['I5 each notification has its event, and the right recipient'],
    notification(`${rejected}.paid`, ann, 'ann@example.com'),
  ],
  [
    'a mail to another recipient',
    ['I5 each notification has its event, and the right recipient'],
    `update notifying.notifications set recipient = 'bob@example.com' where event_id = '${paid}.paid'`,
  ],
  [
    'an order that was charged twice',
    ['I3 no balance is negative', 'I6 an order is charged once at most, its total, from its customer'],
    `${unconstrain('billing.accounts', 'billing.transfers')} ${transfer('charge', annsAccount, sales, 800, paid, 5, -600)}`,
  ],
  [
    'a charge of another amount than the total',
    ['I6 an order is charged once at most, its total, from its customer'],
    `update ordering.orders set total = 801 where id = '${paid}';
     update ordering.order_lines set quantity = 101 where order_id = '${paid}' and line = 2`,
  ],
  [
    'a charge without a transfer',
    [
      'I4 every accepted cancel has begun',
      'I6 a charge that succeeded has moved the money, and only such a one',
      'I6 a paid order was charged',
    ],
    `delete from billing.transfers where order_id = '${refunded}';
     update billing.accounts set version = 2 where id = '${annsAccount}';
     ${unconstrain('ordering.orders')}
     update ordering.orders set status = 'paid', cancel_requested_at = null, refunded_at = null where id = '${refunded}';
     delete from notifying.notifications where event_id = '${refunded}.refunded'`,
  ],
  [
    'a charged order that stays pending',
    [
      'I6 a charged order is paid, or its money went back',
      'I4 every order is settled',
      'I11 a time that was set stays',
    ],
    `${order(paid, `status = 'pending', paid_at = null`)};
     delete from notifying.notifications where event_id = '${paid}.paid'`,
  ],
  [
    'a canceled order that was charged',
    [
      'I7 a rejected or canceled order has moved no money',
      'I6 a charge that succeeded has moved the money, and only such a one',
      'I6 a charged order is paid, or its money went back',
    ],
    transfer('charge', annsAccount, sales, 50, canceled, 5, 150),
  ],
  [
    'a canceled order that could still be charged',
    ['I7 a canceled order can never be charged'],
    `delete from billing.charges where order_id = '${canceled}'`,
  ],
  [
    'an order that was refunded twice',
    [
      'I6 an order is charged once at most, its total, from its customer',
      'I7 a refunded order has one charge and one refund, which cancel out',
      'I11 the times of an order are in order and fit its state',
    ],
    `drop index billing.refunds_once_an_order; ${transfer('refund', sales, annsAccount, 100, refunded, 5, 300)}`,
  ],
  [
    'a refund of an order that was not charged',
    [
      'I6 a charged order is paid, or its money went back',
      'I7 a refunded order has one charge and one refund, which cancel out',
      'I7 no cancel stays open',
    ],
    `${order(canceled, `status = 'canceling', canceled_at = null`)};
     delete from notifying.notifications where event_id = '${canceled}.canceled';
     ${transfer('refund', sales, annsAccount, 50, canceled, 5, 250)}`,
  ],
  [
    'a refunded order without its refund',
    ['I7 a refunded order has one charge and one refund, which cancel out'],
    `delete from billing.transfers where kind = 'refund';
     update billing.accounts set balance = 100, version = 3 where id = '${annsAccount}'`,
  ],
  [
    'a paid order that was refunded',
    ['I7 only a canceled order is refunded'],
    transfer('refund', sales, annsAccount, 800, paid, 5, 1_000),
  ],
  [
    'a cancel that stays open',
    ['I7 no cancel stays open'],
    `${order(canceled, `status = 'canceling', canceled_at = null`)};
     delete from notifying.notifications where event_id = '${canceled}.canceled'`,
  ],
  [
    'a total that is not the sum',
    ['I8 the total of an order is the sum of its lines'],
    `update ordering.order_lines set unit_price = 101 where order_id = '${rejected}'`,
  ],
  [
    'an order without lines',
    ['I8 the total of an order is the sum of its lines'],
    `delete from ordering.order_lines where order_id = '${rejected}'`,
  ],
  ['a chain that has not ended', ['I9 the outbox drains'], `insert into events.outbox (id, event) values ('x', '{}')`],
  [
    'a parked event',
    ['I9 nothing is parked but what was sent broken'],
    `update events.dead_letters set event_id = '${paid}.placed'`,
  ],
  [
    'paid before it was charged',
    ['I11 the times of an order are in order and fit its state'],
    order(refunded, `paid_at = '2026-01-01T10:00:30Z'`),
  ],
  [
    'refunded before it was canceled',
    ['I11 the times of an order are in order and fit its state'],
    order(refunded, `refunded_at = '2026-01-01T10:02:30Z'`),
  ],
  [
    'money that came back before the cancel',
    ['I11 the times of an order are in order and fit its state'],
    `update billing.transfers set created_at = '2026-01-01T10:02:30Z' where id = '${id(33)}'`,
  ],
  [
    'refunded before the money came back',
    ['I11 the times of an order are in order and fit its state'],
    `update billing.transfers set created_at = '2026-01-01T10:05Z' where id = '${id(33)}'`,
  ],
  [
    'canceled while it could still be charged',
    ['I11 the times of an order are in order and fit its state'],
    `update billing.charges set decided_at = '2026-01-01T10:05Z' where order_id = '${canceled}'`,
  ],
  [
    'rejected and paid',
    ['I11 the times of an order are in order and fit its state', 'I5 each event is notified'],
    `${unconstrain('ordering.orders')} ${order(paid, `rejected_at = '2026-01-01T10:03Z'`)}`,
  ],
  ['paid at another time than before', ['I11 a time that was set stays'], order(paid, `paid_at = '2026-01-01T10:03Z'`)],
  [
    'two orders with one key',
    ['I12 one idempotency key, one order'],
    `${unconstrain('ordering.orders')} ${order(rejected, `idempotency_key = 'a'`)}`,
  ],
  [
    'two deposits with one key',
    ['I12 one idempotency key, one deposit'],
    `${unconstrain('billing.deposits')} update billing.deposits set idempotency_key = 'a', user_id = '${bob}';
     update notifying.notifications set user_id = '${bob}', recipient = 'bob@example.com'
      where event_id = '${annsDeposit}.succeeded'`,
  ],
  [
    'a deposit of another amount than was moved',
    ['I12 each deposit has moved its money once, and only a deposit'],
    `update billing.deposits set amount = 999 where id = '${annsDeposit}'`,
  ],
])('%s is reported', async (_how, violation, sql) => {
  await client.query('begin');
  try {
    await client.query(sql);
    expect((await violated()).toSorted()).toEqual(violation.toSorted());
  } finally {
    await client.query('rollback');
  }
});

test('I10 is violated by mails that are missing, too many, misdirected or unknown', () => {
  const sent = { id: 'n', status: 'sent', recipient: 'ann@example.com' } as const;
  const mail = { notificationId: 'n', to: 'ann@example.com', subject: '', text: '' };
  const names = (...given: Parameters<typeof mailViolations>) => mailViolations(...given).map(({ name }) => name);
  expect(names([sent], [mail], 0)).toEqual([]);
  expect(names([sent], [mail, mail], 1)).toEqual([]);
  expect(names([sent], [mail, mail], 0)).toEqual(['I10 one mail a notification']);
  expect(names([sent], [], 0)).toEqual(['I10 what is marked as sent arrives']);
  expect(names([{ ...sent, status: 'queued' }], [], 0)).toEqual(['I10 every mail is sent']);
  expect(names([{ ...sent, status: 'failed' }], [mail], 0)).toEqual(['I10 what has failed did not arrive']);
  expect(names([sent], [{ ...mail, to: 'bob@example.com' }], 0)).toEqual(['I10 a mail goes to its recipient']);
  expect(names([], [mail], 0)).toEqual(['I10 every mail has its notification']);
});
