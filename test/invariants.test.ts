import { beforeAll, expect, test } from '@jest/globals';
import type pg from 'pg';
import { connection, useDatabase } from '#local/testing/database.ts';
import { invariants, mailViolations, parameters, type Violation } from './support/invariants.ts';

// An invariant that nothing can violate proves nothing: each is violated by hand here, in a transaction that is
// undone, with the constraints out of the way that would not let it happen.

useDatabase();

const id = (n: number) => `0198c0de-0000-7000-8000-${String(n).padStart(12, '0')}`;
const [ann, bob, annsAccount, bobsAccount] = [id(1), id(2), id(3), id(4)];
const [paid, rejected, refunded, canceled] = [id(11), id(12), id(13), id(14)];
const [annsDeposit, bobsDeposit] = [id(21), id(22)];
const [world, sales] = ['00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000002'];

// Ann has 1000: an order of 800 was paid, one of 900 rejected, one of 100 refunded, one of 50 canceled. Bob has 500.
const soundShop = `
  insert into users.users (id, email, name, password_hash) values
    ('${ann}', 'ann@example.com', 'Ann', '$argon2id$none'), ('${bob}', 'bob@example.com', 'Bob', '$argon2id$none');
  insert into billing.accounts (id, user_id, balance, deposited, version) values
    ('${annsAccount}', '${ann}', 200, 1000, 4), ('${bobsAccount}', '${bob}', 500, 500, 1);
  insert into billing.deposits
         (id, account_id, user_id, idempotency_key, request_hash, amount, currency, balance_after) values
    ('${annsDeposit}', '${annsAccount}', '${ann}', 'a', '', 1000, 'usd', 1000),
    ('${bobsDeposit}', '${bobsAccount}', '${bob}', 'a', '', 500, 'usd', 500);
  insert into ordering.orders
         (id, user_id, idempotency_key, request_hash, status, reason, total, currency, created_at, paid_at, rejected_at,
          cancel_requested_at, canceled_at, refunded_at) values
    ('${paid}', '${ann}', 'a', '', 'paid', null, 800, 'usd', '2026-01-01T10:00Z', '2026-01-01T10:02Z', null, null, null, null),
    ('${rejected}', '${ann}', 'b', '', 'rejected', 'insufficient_funds', 900, 'usd', '2026-01-01T10:00Z', null,
     '2026-01-01T10:02Z', null, null, null),
    ('${refunded}', '${ann}', 'c', '', 'refunded', null, 100, 'usd', '2026-01-01T10:00Z', '2026-01-01T10:02Z', null,
     '2026-01-01T10:03Z', null, '2026-01-01T10:04Z'),
    ('${canceled}', '${ann}', 'd', '', 'canceled', null, 50, 'usd', '2026-01-01T10:00Z', null, null,
     '2026-01-01T10:03Z', '2026-01-01T10:04Z', null);
  insert into ordering.order_lines (order_id, line, sku, name, quantity, unit_price) values
    ('${paid}', 1, 'pen', 'Pen', 7, 100), ('${paid}', 2, 'sticker', 'Sticker', 100, 1),
    ('${rejected}', 1, 'pen', 'Pen', 9, 100), ('${refunded}', 1, 'pen', 'Pen', 1, 100),
    ('${canceled}', 1, 'sticker', 'Sticker', 50, 1);
  insert into billing.charges (order_id, user_id, account_id, amount, currency, outcome, reason, decided_at) values
    ('${paid}', '${ann}', '${annsAccount}', 800, 'usd', 'succeeded', null, '2026-01-01T10:01Z'),
    ('${rejected}', '${ann}', '${annsAccount}', 900, 'usd', 'declined', 'insufficient_funds', '2026-01-01T10:01Z'),
    ('${refunded}', '${ann}', '${annsAccount}', 100, 'usd', 'succeeded', null, '2026-01-01T10:01Z'),
    ('${canceled}', '${ann}', '${annsAccount}', 50, 'usd', 'declined', 'order_canceled', '2026-01-01T10:03Z');
  insert into billing.transfers
         (id, kind, debit_account_id, credit_account_id, amount, currency, order_id, account_version, balance_after) values
    ('${annsDeposit}', 'deposit', '${world}', '${annsAccount}', 1000, 'usd', null, 1, 1000),
    ('${bobsDeposit}', 'deposit', '${world}', '${bobsAccount}', 500, 'usd', null, 1, 500),
    ('${id(31)}', 'charge', '${annsAccount}', '${sales}', 800, 'usd', '${paid}', 2, 200),
    ('${id(32)}', 'charge', '${annsAccount}', '${sales}', 100, 'usd', '${refunded}', 3, 100),
    ('${id(33)}', 'refund', '${sales}', '${annsAccount}', 100, 'usd', '${refunded}', 4, 200);
  insert into notifying.notifications
         (id, fact, user_id, order_id, template, recipient, subject, detail, correlation_id, status, due_at, sent_at)
  select gen_random_uuid(), fact, user_id::uuid, order_id::uuid, template, recipient, '', '{}', fact, 'sent', null, now()
    from (values
      ('${annsAccount}.opened', '${ann}', null, 'welcome', 'ann@example.com'),
      ('${bobsAccount}.opened', '${bob}', null, 'welcome', 'bob@example.com'),
      ('${annsDeposit}.succeeded', '${ann}', null, 'deposit-received', 'ann@example.com'),
      ('${bobsDeposit}.succeeded', '${bob}', null, 'deposit-received', 'bob@example.com'),
      ('${paid}.paid', '${ann}', '${paid}', 'order-paid', 'ann@example.com'),
      ('${rejected}.rejected', '${ann}', '${rejected}', 'order-rejected', 'ann@example.com'),
      ('${refunded}.paid', '${ann}', '${refunded}', 'order-paid', 'ann@example.com'),
      ('${refunded}.refunded', '${ann}', '${refunded}', 'order-refunded', 'ann@example.com'),
      ('${canceled}.canceled', '${ann}', '${canceled}', 'order-canceled', 'ann@example.com')
    ) as told (fact, user_id, order_id, template, recipient);
  insert into events.dead_letters (id, verified, source, event_id, type, reason, detail, event)
  values (gen_random_uuid(), false, '/test', 'broken', 'test', 'unverified', '', '{}');`;

const given = {
  accepted: [paid, rejected, refunded, canceled],
  broken: ['broken'],
  earlier: [{ id: paid, paid_at: '2026-01-01T10:02Z' }, { id: rejected }],
};

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

/** Removes the checks and keys of these tables and of money. */
const free = (...tables: string[]) => `
  alter domain billing.money drop constraint money_check;
  do $$
  declare its record;
  begin
    for its in
      select conrelid::regclass as name, conname
        from pg_constraint
       where conrelid = any ('{${tables.join()}}'::regclass[])
         and contype in ('c', 'u', 'f')
    loop
      execute format('alter table %s drop constraint %I', its.name, its.conname);
    end loop;
  end $$;`;

const notification = (fact: string, user: string, recipient: string) => `
  insert into notifying.notifications
         (id, fact, user_id, order_id, template, recipient, subject, detail, correlation_id)
  values (gen_random_uuid(), '${fact}', '${user}', '${paid}', 'order-paid', '${recipient}', '', '{}', '')`;

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
    `${free('billing.transfers')} update billing.transfers set credit_account_id = '${world}' where id = '${id(31)}'`,
  ],
  [
    'a balance that nobody has moved',
    ['I2 each balance is the sum of its transfers, and its version their number'],
    `update billing.accounts set balance = 201 where id = '${annsAccount}'`,
  ],
  [
    'a version without a movement',
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
    `${free('billing.accounts', 'billing.transfers', 'billing.deposits')}
     update billing.deposits set amount = 700 where id = '${annsDeposit}';
     update billing.transfers set amount = 700 where id = '${annsDeposit}';
     update billing.transfers set balance_after = balance_after::bigint - 300 where account_id = '${annsAccount}';
     update billing.accounts set balance = -100 where id = '${annsAccount}'`,
  ],
  [
    'an order that was lost',
    ['I4 every accepted order exists', 'I5 what is told has happened, and is told to the right person'],
    `${free('ordering.order_lines')} delete from ordering.orders where id = '${canceled}'`,
  ],
  [
    'an order that stays pending',
    ['I4 every order is decided'],
    `${free('ordering.orders')}
     insert into ordering.orders (id, user_id, idempotency_key, request_hash, total, currency)
     values ('${id(99)}', '${ann}', 'e', '', 1, 'usd');
     insert into ordering.order_lines values ('${id(99)}', 1, 'sticker', 'Sticker', 1, 1)`,
  ],
  [
    'a customer who was not told',
    ['I5 each fact is told'],
    `delete from notifying.notifications where fact = '${paid}.paid'`,
  ],
  [
    'a customer who was told twice',
    ['I5 each fact is told once'],
    `${free('notifying.notifications')} ${notification(`${paid}.paid`, ann, 'ann@example.com')}`,
  ],
  [
    'a customer who was told what has not happened',
    ['I5 what is told has happened, and is told to the right person'],
    notification(`${rejected}.paid`, ann, 'ann@example.com'),
  ],
  [
    'a mail to somebody else',
    ['I5 what is told has happened, and is told to the right person'],
    `update notifying.notifications set recipient = 'bob@example.com' where fact = '${paid}.paid'`,
  ],
  [
    'an order that was charged twice',
    ['I3 no balance is negative', 'I6 an order is charged once at most, its total, from its customer'],
    `${free('billing.accounts', 'billing.transfers')} ${transfer('charge', annsAccount, sales, 800, paid, 5, -600)}`,
  ],
  [
    'a charge of another amount than the total',
    ['I6 an order is charged once at most, its total, from its customer'],
    `update ordering.orders set total = 801 where id = '${paid}';
     update ordering.order_lines set quantity = 101 where order_id = '${paid}' and line = 2`,
  ],
  [
    'a charge without a transfer',
    ['I6 a charge that succeeded has moved the money, and only such a one', 'I6 a paid order was charged'],
    `delete from billing.transfers where order_id = '${refunded}';
     update billing.accounts set version = 2 where id = '${annsAccount}';
     ${free('ordering.orders')}
     update ordering.orders set status = 'paid', cancel_requested_at = null, refunded_at = null where id = '${refunded}';
     delete from notifying.notifications where fact = '${refunded}.refunded'`,
  ],
  [
    'a charged order that stays pending',
    [
      'I6 a charged order is paid, or its money went back',
      'I4 every order is decided',
      'I11 a time that was set stays',
    ],
    `${order(paid, `status = 'pending', paid_at = null`)};
     delete from notifying.notifications where fact = '${paid}.paid'`,
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
     delete from notifying.notifications where fact = '${canceled}.canceled'`,
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
    'an event that was parked',
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
    'rejected and paid',
    ['I11 the times of an order are in order and fit its state', 'I5 each fact is told'],
    `${free('ordering.orders')} ${order(paid, `rejected_at = '2026-01-01T10:03Z'`)}`,
  ],
  ['paid at another time than before', ['I11 a time that was set stays'], order(paid, `paid_at = '2026-01-01T10:03Z'`)],
  [
    'two orders with one key',
    ['I12 one idempotency key, one order'],
    `${free('ordering.orders')} ${order(rejected, `idempotency_key = 'a'`)}`,
  ],
  [
    'two deposits with one key',
    ['I12 one idempotency key, one deposit'],
    `${free('billing.deposits')} update billing.deposits set idempotency_key = 'a', user_id = '${bob}';
     update notifying.notifications set user_id = '${bob}', recipient = 'bob@example.com'
      where fact = '${annsDeposit}.succeeded'`,
  ],
  [
    'a deposit of another amount than was moved',
    ['I12 each deposit has moved its money once, and only a deposit'],
    `update billing.deposits set amount = 999 where id = '${annsDeposit}'`,
  ],
])('%s is found', async (_how, violation, sql) => {
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
