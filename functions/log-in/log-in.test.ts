import { beforeAll, expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { call } from '#test/support/calls.ts';
import { rows, useDatabase } from '#test/support/database.ts';
import { countingHashes } from '#test/support/hashes.ts';
import { context } from '#test/support/context.ts';
import { handle } from './index.ts';

useDatabase();

const id = uuidv7();
beforeAll(async () => {
  await rows(`insert into users.users (id, email, name, password_hash) values ($1, 'ann@example.com', 'Ann', $2)`, [
    id,
    await context.passwords.hash('correct horse'),
  ]);
});

const logIn = (email: string, password: string) =>
  call<{ token: string; tokenType: string; expiresIn: number; code: string }>(handle, { email, password });

test('signs a token that identifies the caller for 15 minutes when the password is right', async () => {
  const { status, body } = await logIn('Ann@Example.com', 'correct horse');
  expect({ status, tokenType: body.tokenType, expiresIn: body.expiresIn }).toEqual({
    status: 201,
    tokenType: 'Bearer',
    expiresIn: 900,
  });
  expect(await context.verifyToken(`Bearer ${body.token}`)).toMatchObject({ id, role: 'customer' });
  const claims = JSON.parse(Buffer.from(body.token.split('.')[1] ?? '', 'base64url').toString()) as object;
  expect(Object.keys(claims).toSorted()).toEqual(['aud', 'exp', 'iat', 'iss', 'jti', 'role', 'sub']);
});

// promise: unicode-passwords
test('accepts a password in any Unicode form, and an e-mail whose domain is in Unicode or ASCII', async () => {
  const password = 'Grüße-aus-Köln';
  await rows(`insert into users.users (id, email, name, password_hash) values ($1, $2, 'Zoë', $3)`, [
    uuidv7(),
    'zoe@xn--mnchen-3ya.de',
    await context.passwords.hash(password.normalize('NFC')),
  ]);
  for (const form of ['NFC', 'NFD']) {
    expect(await logIn('zoe@münchen.de'.normalize(form), password.normalize(form))).toMatchObject({ status: 201 });
  }
});

test('returns the same response for a wrong password and an unknown e-mail', async () => {
  const [wrong, unknown] = [await logIn('ann@example.com', 'wrong'), await logIn('bob@example.com', 'wrong')];
  expect(wrong).toMatchObject({ status: 401, body: { code: 'invalid_credentials' } });
  expect(unknown).toEqual(wrong);
});

// promise: owasp-api2
test('hashes one password for an unknown e-mail, too, so that the time reveals nothing', async () => {
  await logIn('ann@example.com', 'wrong'); // the hash that unknown e-mails are compared with is ready after this one
  const wrong = await countingHashes(() => logIn('ann@example.com', 'wrong'));
  const unknown = await countingHashes(() => logIn('unknown@example.com', 'wrong'));
  expect({ wrong: wrong.begun, unknown: unknown.begun }).toEqual({ wrong: 1, unknown: 1 });
  expect(unknown.result).toEqual(wrong.result);
});

test.each([[{}], [{ email: 'ann@example.com' }], [{ email: 1, password: 2 }], ['text']])(
  'refuses malformed credentials: %j',
  async (body) => {
    expect(await call(handle, body)).toMatchObject({ status: 422, body: { code: 'invalid_body' } });
  },
);
