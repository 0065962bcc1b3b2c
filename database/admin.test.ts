import { beforeAll, expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { row, rows, useDatabase } from '#test/support/database.ts';
import { createPasswords } from '#platform/values/password.ts';
import { ensureAdmin } from './admin.ts';

useDatabase();

const url = process.env['TEST_DATABASE_URL'] ?? '';
const roles = () => rows<{ email: string; role: string }>('select email, role from users.users order by email');
const hashOf = async (email: string) =>
  (await row<{ password_hash: string }>('select password_hash from users.users where email = $1', [email]))
    .password_hash;

beforeAll(async () => {
  await rows(
    `insert into users.users (id, email, name, password_hash) values ($1, 'c@example.com', 'Administrator', $2)`,
    [uuidv7(), '$argon2id$none'],
  );
  await ensureAdmin(url, 'a@example.com', 'password of a');
});

test('replaces the password when the setting has changed, and changes nothing when it has not', async () => {
  const before = await hashOf('a@example.com');
  await ensureAdmin(url, 'a@example.com', 'password of a');
  expect(await hashOf('a@example.com')).toBe(before);
  await ensureAdmin(url, 'a@example.com', 'another password');
  expect(await createPasswords().matches('another password', await hashOf('a@example.com'))).toBe(true);
});

// promise: administrator
test('makes the administrator of the settings the only one, and a former administrator a customer', async () => {
  await ensureAdmin(url, 'b@example.com', 'password of b');
  expect(await roles()).toEqual([
    { email: 'a@example.com', role: 'customer' },
    { email: 'b@example.com', role: 'admin' },
    { email: 'c@example.com', role: 'customer' },
  ]);
  // an older installation may have two
  await rows(`update users.users set role = 'admin', was_admin = false where email = 'a@example.com'`);
  await ensureAdmin(url, 'b@example.com', 'password of b');
  expect(await row('select email from users.users where role = $1', ['admin'])).toEqual({ email: 'b@example.com' });
});

test('makes a former administrator the administrator again', async () => {
  await ensureAdmin(url, 'a@example.com', 'password of a');
  expect(await row('select email from users.users where role = $1', ['admin'])).toEqual({ email: 'a@example.com' });
  expect(await createPasswords().matches('password of a', await hashOf('a@example.com'))).toBe(true);
});

test('rejects the e-mail of a customer, whatever the name, and leaves the administrator as it is', async () => {
  const before = await roles();
  await expect(ensureAdmin(url, 'c@example.com', 'password of c')).rejects.toThrow(
    'ADMIN_EMAIL c@example.com belongs to a customer',
  );
  expect(await roles()).toEqual(before);
});
