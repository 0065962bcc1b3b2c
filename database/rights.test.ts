import { describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { functionNames } from '#local/functions.ts';
import { row, rows, useDatabase } from '#test/support/database.ts';
import { context } from '#test/support/context.ts';
import { statement } from '#platform/database/database.ts';
import { roleOf, roleOfAll, roleUrl, setRolePasswords } from './roles.ts';

// Exactly the rights of these functions; schema.sql has the rights of all functions. The test of a function proves that
// it needs each right, because it runs under the function's role.

useDatabase();

const publishing = 'insert (id, event), select (id, event, attempts, due_at), update (attempts, due_at)';
const parking = 'insert, select, update (reason, detail, times, last_parked_at)';

const rights: Record<string, Record<string, string>> = {
  'register-user': {
    'users.users': 'insert (id, email, name, password_hash), select (id, email, name, created_at)',
    'events.outbox': publishing,
  },
  'log-in': { 'users.users': 'select (id, email, password_hash, role)' },
  'create-account': { 'billing.accounts': 'insert (id, user_id), select' },
  'deposit-money': {
    'billing.accounts': 'select, update (balance, deposited, version)',
    'billing.deposits': 'insert, select',
    'billing.transfers': 'insert',
    'events.outbox': publishing,
  },
  'create-order': {
    'ordering.products': 'select',
    'ordering.orders': 'insert (id, user_id, idempotency_key, request_hash, total, currency, line_count), select',
    'ordering.order_lines': 'insert, select',
    'events.outbox': publishing,
  },
  'charge-account': {
    'ordering.orders': 'select',
    'billing.accounts': 'select, update (balance, version)',
    'billing.charges': 'insert, select',
    'billing.transfers': 'insert',
  },
  'settle-order': {
    'ordering.orders': 'select, update (status, reason, paid_at, rejected_at, canceled_at, refunded_at)',
    'events.outbox': 'delete, select (id)',
  },
  'cancel-order': {
    'ordering.orders': 'select, update (status, cancel_requested_at)',
    'ordering.order_lines': 'select',
    'events.outbox': publishing,
  },
  'refund-charge': {
    'ordering.orders': 'select',
    'billing.accounts': 'select, update (balance, version)',
    'billing.charges': 'insert, select',
    'billing.transfers': 'insert, select',
  },
  'send-notification': {
    'users.users': 'select (id, email, name)',
    'ordering.order_lines': 'select',
    'notifying.notifications':
      'insert (id, event_id, user_id, order_id, template, recipient, subject, detail, correlation_id), select, ' +
      'update (status, attempts, due_at, error, sent_at, digest_at)',
    'events.outbox': 'delete, select (id), update (due_at)',
  },
  'park-event': { 'events.outbox': 'delete, select (id)', 'events.dead_letters': `delete, ${parking}` },
  'replay-events': {
    'events.outbox': 'delete, insert (id, event, due_at, created_at), select, update (attempts, due_at)',
    'events.dead_letters': 'select, update (replayed_at, bulk_at)',
  },
  sweep: {
    'users.users': 'select (id, role, created_at)',
    'billing.accounts': 'select (id, user_id, opened_at)',
    'billing.deposits': 'select (id, account_id, user_id, amount, currency, created_at)',
    'ordering.orders':
      'select (id, user_id, status, created_at, paid_at, rejected_at, cancel_requested_at, canceled_at, refunded_at)',
    'notifying.notifications': 'select (event_id)',
    'events.outbox': 'delete, insert (id, event, due_at), select, update (attempts, due_at)',
    'events.dead_letters': parking,
  },
  storefront: {
    'users.users': 'select (id, email, name, created_at)',
    'billing.accounts': 'select',
    'billing.deposits': 'select',
    'billing.charges': 'select',
    'billing.transfers': 'select',
    'ordering.products': 'select',
    'ordering.orders': 'select',
    'ordering.order_lines': 'select',
    'notifying.notifications': 'select',
    'events.outbox': 'select (id, attempts, due_at)',
    'events.dead_letters': 'select',
  },
};

/** The rights of a role on each table, from the catalogue: in alphabetical order, columns in the order of the table. */
async function rightsOf(role: string): Promise<Record<string, string>> {
  const found = await rows<{ name: string; rights: string }>(
    `
    with a_right as (
      select c.oid, lower(p.privilege_type) as privilege, null as columns
        from pg_class c, aclexplode(c.relacl) p
       where p.grantee = $1::regrole
       union all
      select a.attrelid, lower(p.privilege_type), string_agg(a.attname, ', ' order by a.attnum)
        from pg_attribute a, aclexplode(a.attacl) p
       where p.grantee = $1::regrole
       group by a.attrelid, p.privilege_type
    )
    select oid::regclass::text as name,
           string_agg(privilege || coalesce(' (' || columns || ')', ''), ', ' order by privilege) as rights
      from a_right
     group by oid`,
    [role],
  );
  return Object.fromEntries(found.map(({ name, rights: each }) => [name, each]));
}

describe.each(Object.keys(rights))('%s', (name) => {
  // promise: owasp-api3
  test('has exactly these rights on tables', async () => {
    expect(await rightsOf(roleOf(name))).toEqual(rights[name]);
  });

  test('may use only the schemas of these tables', async () => {
    const wanted = new Set(Object.keys(rights[name] ?? {}).map((table) => table.split('.')[0]));
    const found = await rows<{ nspname: string; privilege: string }>(
      `select nspname, p.privilege_type as privilege from pg_namespace, aclexplode(nspacl) p where p.grantee = $1::regrole`,
      [roleOf(name)],
    );
    expect(new Set(found.map(({ nspname }) => nspname))).toEqual(wanted);
    expect(new Set(found.map(({ privilege }) => privilege))).toEqual(new Set(['USAGE']));
  });
});

test('the role of all functions in one process has exactly the rights of every function', async () => {
  expect(await rightsOf(roleOfAll)).toEqual({});
  const members = await rows<{ role: string }>(
    'select roleid::regrole::text as role from pg_auth_members where member = $1::regrole order by 1',
    [roleOfAll],
  );
  expect(members.map(({ role }) => role)).toEqual(functionNames.map(roleOf).toSorted());
});

// promise: owasp-api8
test('no role has rights on the server or rights of another role', async () => {
  expect(
    await rows(
      `select rolname
         from pg_roles
        where rolname like 'shop\\_%'
          and (rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls
               or rolname <> $1 and exists (select from pg_auth_members where member = pg_roles.oid))`,
      [roleOfAll],
    ),
  ).toEqual([]);
});

test('PUBLIC has no rights on the tables and schemas of the shop', async () => {
  const toPublic = `
    select oid::regclass::text as name
      from pg_class, aclexplode(relacl) p
     where p.grantee = 0 and relnamespace::regnamespace::text = any ($1)
     union all
    select nspname from pg_namespace, aclexplode(nspacl) p where p.grantee = 0 and nspname = any ($1)`;
  expect(await rows(toPublic, [['users', 'billing', 'ordering', 'notifying', 'events']])).toEqual([]);
});

/** Runs a statement under the role of all functions. */
const attempt = (sql: string) => context.database.one(statement('attempt', sql));

// promise: owasp-api3
test.each([
  ['change a transfer of the ledger', 'update billing.transfers set amount = 1'],
  ['remove a transfer from the ledger', 'delete from billing.transfers'],
  ['change a decision on a charge', `update billing.charges set outcome = 'declined'`],
  ['open an account with money in it', 'insert into billing.accounts (id, user_id, balance) values (null, null, 1)'],
  ['promote a user to administrator', `update users.users set role = 'admin'`],
  ['register an administrator', `insert into users.users (id, role) values (null, 'admin')`],
  ['place an order that is paid', 'insert into ordering.orders (id, paid_at) values (null, now())'],
  ['change what an order costs', 'update ordering.orders set total = 1'],
  ['change a price', 'update ordering.products set price = 1'],
  ['change an event in the outbox', `update events.outbox set event = '{}'`],
  ['change the recipient of a notification', `update notifying.notifications set recipient = 'x'`],
  ['change the schema', 'create table billing.more ()'],
])('no function may %s', async (_what, sql) => {
  await expect(attempt(sql)).rejects.toThrow(/permission denied/);
});

test('tests connect under the role of all functions, not as the owner', async () => {
  const user = statement<{ current_user: string }>('user', 'select current_user');
  expect(await context.database.one(user)).toEqual({ current_user: roleOfAll });
});

describe('passwords', () => {
  const owner = process.env['TEST_DATABASE_URL'] ?? '';
  const logIn = async (url: string) => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.end();
  };
  // a role that no other test uses
  const urlWith = (key: string) => roleUrl(owner, key, 'shop_password_test');

  test('are derived from the key: another key is rejected, and the server stores no password', async () => {
    await rows('create role shop_password_test login');
    await rows('grant shop_password_test to shop_functions');
    try {
      await expect(logIn(urlWith('no password yet'))).rejects.toThrow(/password authentication failed/);
      await setRolePasswords(owner, process.env['TEST_ROLES_KEY'] ?? '');
      await setRolePasswords(owner, process.env['TEST_ROLES_KEY'] ?? '');
      await logIn(urlWith(process.env['TEST_ROLES_KEY'] ?? ''));
      await expect(logIn(urlWith('another key'))).rejects.toThrow(/password authentication failed/);
      const { rolpassword } = await row<{ rolpassword: string }>(
        `select rolpassword from pg_authid where rolname = 'shop_password_test'`,
      );
      expect(rolpassword).toMatch(/^SCRAM-SHA-256\$4096:/);
    } finally {
      await rows('drop role shop_password_test');
    }
  });

  test('rejects a URL without a host', () => {
    expect(() => roleUrl('postgres:///shop', 'key', roleOfAll)).toThrow(/must name a host/);
  });
});
