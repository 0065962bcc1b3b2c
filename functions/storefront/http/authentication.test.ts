import { describe, expect, test } from '@jest/globals';
import { SignJWT, UnsecuredJWT, generateKeyPair } from 'jose';
import { uuidv7 } from 'uuidv7';
import { bearer } from '#test/support/calls.ts';
import { useDatabase } from '#test/support/database.ts';
import { customer } from '#test/support/fixtures.ts';
import { useStorefront } from '#test/support/storefront.ts';

useDatabase();
const { ask } = useStorefront();

describe('a request', () => {
  const { crv, d, kty, x } = JSON.parse(process.env['TOKEN_PRIVATE_KEY'] ?? '') as Record<string, string>;
  const claims = { role: 'admin' };
  const good = (jwt: SignJWT) => jwt.setIssuer('shop').setAudience('shop').setSubject(uuidv7()).setJti('1');
  const key = () => crypto.subtle.importKey('jwk', { crv, d, kty, x } as JsonWebKey, 'Ed25519', false, ['sign']);
  const tokens: [string, () => Promise<string> | string][] = [
    ['without a token', () => ''],
    ['with what is not a token', () => 'Bearer abc'],
    ['with a tampered token', async () => `${(await bearer(uuidv7())).authorization.slice(0, -3)}abc`],
    [
      'with an unsigned token',
      () => `Bearer ${new UnsecuredJWT(claims).setIssuer('shop').setAudience('shop').setSubject(uuidv7()).encode()}x`,
    ],
    [
      'with an expired token',
      async () =>
        `Bearer ${await good(new SignJWT(claims))
          .setProtectedHeader({ alg: 'EdDSA', kid: 'test' })
          .setExpirationTime('-1s')
          .sign(await key())}`,
    ],
    [
      'with a token signed by another key',
      async () =>
        `Bearer ${await good(new SignJWT(claims))
          .setProtectedHeader({ alg: 'EdDSA', kid: 'test' })
          .setExpirationTime('1h')
          .sign((await generateKeyPair('EdDSA')).privateKey)}`,
    ],
    [
      'with a token for another audience',
      async () =>
        `Bearer ${await good(new SignJWT(claims))
          .setAudience('bank')
          .setProtectedHeader({ alg: 'EdDSA', kid: 'test' })
          .setExpirationTime('1h')
          .sign(await key())}`,
    ],
  ];
  // promise: tokens
  test.each(tokens)('gets 401 %s', async (_how, authorization) => {
    for (const path of ['/v1/users/me', '/v1/orders', `/v1/orders/${uuidv7()}`, '/v1/admin/dead-letters']) {
      const { status, body, headers } = await ask(path, { headers: { authorization: await authorization() } });
      expect({ status, code: body.code }).toEqual({ status: 401, code: 'unauthenticated' });
      expect(headers.get('www-authenticate')).toBe('Bearer');
    }
  });

  test('may write the scheme of its token in any case, with several spaces (RFC 9110, section 11.4)', async () => {
    const { userId } = await customer();
    const token = (await bearer(userId)).authorization.slice('Bearer '.length);
    for (const before of ['Bearer ', 'bearer ', 'BEARER ', 'Bearer   ']) {
      expect((await ask('/v1/orders', { headers: { authorization: before + token } })).status).toBe(200);
    }
    for (const before of ['Bearer', 'Bearer\t', 'Token ']) {
      expect((await ask('/v1/orders', { headers: { authorization: before + token } })).status).toBe(401);
    }
  });

  test('to a public route needs no token, whatever the case of its path', async () => {
    for (const path of ['/v1/products', '/V1/products']) expect((await ask(path)).status).toBe(200);
  });

  test('of a customer gets 403 for a path below the administrator’s routes that does not exist', async () => {
    const { userId } = await customer();
    for (const path of ['/v1/admin/nothing', '/v1/admin', '/V1/Admin/nothing']) {
      expect(await ask(path, { as: userId })).toMatchObject({ status: 403, body: { code: 'forbidden' } });
      expect((await ask(path, { as: userId, role: 'admin' })).status).toBe(404);
    }
  });

  // promise: tokens, owasp-api5
  test('of a customer gets 403 on the administrator’s routes', async () => {
    const { userId } = await customer();
    for (const path of ['/v1/admin/dead-letters', '/v1/admin/ledger/verify']) {
      expect(await ask(path, { as: userId })).toMatchObject({ status: 403, body: { code: 'forbidden' } });
      expect((await ask(path, { as: userId, role: 'admin' })).status).toBe(200);
    }
  });
});
