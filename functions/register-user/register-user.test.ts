import { expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { call } from '#test/support/calls.ts';
import { connection, row, rows, useDatabase, waitingForLock } from '#test/support/database.ts';
import { handle } from './index.ts';

useDatabase();

const ann = (email = `${uuidv7()}@example.com`) => ({ email, password: 'correct horse', name: 'Ann' });
const register = (body: unknown, requestId = uuidv7()) =>
  call<{ id: string; email: string; code: string }>(handle, body, { headers: { 'x-request-id': requestId } });
const usersWith = (email: string) => rows('select id from users.users where email = $1', [email]);

test('stores a new customer with a hashed password, and an event without personal data', async () => {
  const { status, body } = await register({ ...ann(), email: 'Ann.Miller@Example.com' });
  expect(status).toBe(201);
  expect(body).toEqual({ id: body.id, email: 'ann.miller@example.com', name: 'Ann', createdAt: expect.any(String) });
  const user = await row<{ password_hash: string; role: string }>('select * from users.users where id = $1', [body.id]);
  expect(user.password_hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  expect(user.role).toBe('customer');
  const { event } = await row<{ event: object }>('select event from events.outbox where id = $1', [
    `${body.id}.registered`,
  ]);
  expect(event).toMatchObject({ type: 'shop.user.registered.v1', subject: body.id, data: { userId: body.id } });
  expect(JSON.stringify(event)).not.toContain('example.com');
});

test('registers an e-mail once, however it is written', async () => {
  const email = `${uuidv7()}@example.com`;
  expect((await register(ann(email))).status).toBe(201);
  const again = await register(ann(email.toUpperCase()));
  expect(again).toMatchObject({ status: 409, body: { code: 'email_taken' } });
  expect(await usersWith(email)).toHaveLength(1);
});

// promise: email-addresses
test('accepts every character of RFC 5322 in an e-mail, and every script in its domain', async () => {
  const local = uuidv7();
  for (const email of [`r&d-${local}@example.com`, `unit/7!=${local}@example.com`]) {
    expect(await register(ann(email))).toMatchObject({ status: 201, body: { email } });
  }
  const ascii = `${local}@xn--e1afmkfd.xn--p1ai`;
  expect(await register(ann(`${local}@пример.рф`))).toMatchObject({ status: 201, body: { email: ascii } });
  expect(await register(ann(ascii))).toMatchObject({ status: 409, body: { code: 'email_taken' } });
});

// promise: links-in-mails
test('refuses a name that holds a link, with the reason', async () => {
  expect(await register({ ...ann(), name: 'Visit evil.com now' })).toMatchObject({
    status: 422,
    body: {
      code: 'invalid_body',
      errors: [{ field: 'name', message: 'must not contain a web address; after a dot comes a space' }],
    },
  });
});

test('returns the same response when a request is repeated after its response got lost', async () => {
  const body = ann();
  const requestId = uuidv7();
  const first = await register(body, requestId);
  const second = await register(body, requestId);
  expect(second).toEqual(first);
  expect(await usersWith(body.email)).toHaveLength(1);
});

test('refuses an e-mail that another process is registering', async () => {
  const email = `${uuidv7()}@example.com`;
  const other = await connection();
  await other.query('begin');
  await other.query(`insert into users.users (id, email, name, password_hash) values ($1, $2, 'Bob', '$argon2id$x')`, [
    uuidv7(),
    email,
  ]);
  const response = register(ann(email));
  await waitingForLock();
  await other.query('commit');
  expect(await response).toMatchObject({ status: 409 });
});

// promise: owasp-api3
test('lets no customer register as an administrator or choose an id', async () => {
  const id = uuidv7();
  const { status, body } = await register({ ...ann(), role: 'admin', id, createdAt: '2020-01-01T00:00:00Z' });
  expect(status).toBe(201);
  expect(body.id).not.toBe(id);
  expect(await row('select role from users.users where id = $1', [body.id])).toEqual({ role: 'customer' });
  expect(JSON.stringify(body)).not.toContain('argon2');
});

test('refuses text that Postgres cannot store, instead of failing with 500', async () => {
  expect(await register({ ...ann(), name: 'A\0nn' })).toMatchObject({
    status: 422,
    body: { code: 'invalid_body' },
  });
});

test.each([
  ['no body', undefined],
  ['a list', []],
  ['no e-mail', { password: 'correct horse', name: 'Ann' }],
  ['a malformed e-mail', { ...ann(), email: 'ann' }],
  ['an e-mail with non-ASCII characters before the @', { ...ann(), email: 'grüße@example.com' }],
  ['a short password', { ...ann(), password: '1234567' }],
  ['an empty name', { ...ann(), name: '  ' }],
])('refuses %s, and writes nothing', async (_what, body) => {
  const { count } = await row<{ count: number }>('select count(*) from users.users');
  expect(await register(body)).toMatchObject({ status: 422, body: { code: 'invalid_body' } });
  expect(await row('select count(*) from users.users')).toEqual({ count });
});
