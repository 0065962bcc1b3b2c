import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { importJWK, SignJWT } from 'jose';
import { call, newKey, type ProblemBody } from '#test/support/api.ts';
import { customersWith, customerWith, type Customer, type Order, type Page } from '#test/support/customers.ts';
import { until } from '#test/support/until.ts';
import { useShop } from '#test/support/use-shop.ts';

// Which requests the public API serves, and which it refuses.

const shop = useShop();

// promise: foreign-object, owasp-api1
test('an object of another customer is not found', async () => {
  const [ann, bob] = (await customersWith(shop(), 2, 1_000)) as [Customer, Customer];
  const { id } = await ann.order('pen');
  await ann.notified(id);
  for (const path of [`/v1/orders/${id}`, `/v1/orders/${id}/timeline`]) {
    expect((await ann.get(path)).status).toBe(200);
    expect(await bob.get(path)).toMatchObject({ status: 404, body: { code: 'not_found' } });
  }
  expect((await bob.get(`/v1/notifications?orderId=${id}`)).body).toMatchObject({ data: [] });
  expect((await bob.get('/v1/orders')).body).toMatchObject({ data: [] });
  const key = newKey();
  const [first, second] = [await ann.order('pen', 1, key), await bob.order('pen', 1, key)];
  expect(second.id).not.toBe(first.id); // keys are unique per customer
});

// promise: tokens, owasp-api2
test('a request needs a token signed by the shop, and /admin needs the administrator’s', async () => {
  const customer = await customerWith(shop(), 0);
  const [header = '', payload = '', signature = ''] = customer.token.split('.');
  const withAlgNone = `${encode({ alg: 'none', typ: 'JWT' })}.${payload}.`;
  const promoted = { ...(decode(payload) as object), role: 'admin' };
  const bad = {
    none: undefined,
    garbage: 'garbage',
    tampered: `${header}.${encode(promoted)}.${signature}`,
    expired: await token(customer.id, { expires: '-1s' }),
    'of another issuer': await token(customer.id, { issuer: 'other' }),
    'for another audience': await token(customer.id, { audience: 'other' }),
    'alg none': withAlgNone,
  };
  for (const [name, badToken] of Object.entries(bad)) {
    const read = await call(shop(), 'GET', '/v1/accounts/me', { token: badToken });
    expect([name, read.status, read.body.code]).toEqual([name, 401, 'unauthenticated']);
    const body = { items: [{ sku: 'pen', quantity: 1 }] };
    const headers = { 'idempotency-key': newKey() };
    const write = await call(shop(), 'POST', '/v1/orders', { token: badToken, body, headers });
    expect([name, write.status]).toEqual([name, 401]);
  }
  expect((await call(shop(), 'GET', '/v1/accounts/me', { token: await token(customer.id) })).status).toBe(200);
  for (const path of ['/v1/admin/dead-letters', '/v1/admin/ledger/verify']) {
    expect(await customer.get(path)).toMatchObject({ status: 403, body: { code: 'forbidden' } });
  }
});

// promise: invalid-orders
test('invalid amounts and orders are refused, and nothing is written', async () => {
  const customer = await customerWith(shop(), 1_000);
  const before = await written();
  const deposits: unknown[] = [
    ...[0, -1, 1.5, 2 ** 53, 1e300, '100', null, true, [100]].map((amount) => ({ amount, currency: 'usd' })),
    ...['eur', 'USD', '', 1, undefined].map((currency) => ({ amount: 100, currency })),
    [],
    null,
  ];
  for (const deposit of deposits) {
    const { status } = await customer.post<ProblemBody>('/v1/accounts/me/deposits', deposit);
    expect([deposit, status]).toEqual([deposit, 422]);
  }
  const lines: unknown[] = [
    { sku: 'unicorn', quantity: 1 },
    ...[0, -1, 1.5, 1_000_001, '1', null].map((quantity) => ({ sku: 'pen', quantity })),
    { sku: '', quantity: 1 },
    { quantity: 1 },
  ];
  const orders: unknown[] = [
    ...lines.map((line) => ({ items: [line] })),
    { items: [] },
    { items: Array.from({ length: 101 }, () => ({ sku: 'pen', quantity: 1 })) },
    {},
    'desk',
  ];
  for (const order of orders) {
    const { status } = await customer.post<ProblemBody>('/v1/orders', typeof order === 'string' ? `"${order}"` : order);
    expect([order, status]).toEqual([order, 422]);
  }
  const withoutKey = await call(shop(), 'POST', '/v1/orders', {
    token: customer.token,
    body: { items: [{ sku: 'pen', quantity: 1 }] },
  });
  expect(withoutKey).toMatchObject({ status: 400, body: { code: 'idempotency_key_required' } });
  expect(await written()).toEqual(before);
});

// promise: paging
test('pages show each order once, newest first, while others are placed', async () => {
  const customer = await customerWith(shop(), 10_000);
  const placed: string[] = [];
  for (let count = 0; count < 7; count += 1) placed.push((await customer.order('pen')).id);
  const seen: string[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const { body }: { body: Page<Order> } = await customer.get(`/v1/orders?limit=3${cursor && `&cursor=${cursor}`}`);
    seen.push(...body.data.map(({ id }) => id));
    cursor = body.nextCursor;
    await customer.order('pen'); // belongs before the first page, which was read already
  }
  expect(seen).toEqual(placed.toReversed());
  const bad = [encode(1), encode('none'), encode(['a']), 'garbage', '%00'];
  for (const cursor of bad) {
    const { status, body } = await customer.get(`/v1/orders?cursor=${cursor}`);
    expect([cursor, status, body]).toMatchObject([cursor, 400, { code: 'bad_cursor' }]);
  }
  for (const limit of ['0', '101', '1.5', 'many']) {
    expect((await customer.get(`/v1/orders?limit=${limit}`)).status).toBe(400);
  }
  expect((await customer.get('/v1/orders?status=lost')).status).toBe(400);
});

// promise: http-errors
test('a request that is too large, of another media type, for an unknown path or of another method is refused', async () => {
  const { token: own } = await customerWith(shop(), 0);
  const orders = (headers: Record<string, string>, body: unknown) =>
    call(shop(), 'POST', '/v1/orders', { token: own, headers: { 'idempotency-key': newKey(), ...headers }, body });
  expect((await orders({}, { items: [], filler: 'x'.repeat(70_000) })).status).toBe(413);
  expect((await orders({ 'content-type': 'text/plain' }, 'a desk, please')).status).toBe(415);
  expect((await orders({}, '{"items": ')).status).toBe(400);
  expect((await call(shop(), 'GET', '/v1/nowhere', { token: own })).status).toBe(404);
  const deleted = await call(shop(), 'DELETE', '/v1/orders', { token: own });
  expect([deleted.status, deleted.headers.get('allow')]).toEqual([405, 'GET, POST']);
});

// promise: no-5xx
test('no content of a body, a path or a header leads to 5xx or writes anything', async () => {
  const { token: own } = await customerWith(shop(), 0);
  const before = await written();
  const odd = [
    '\0',
    'a\0b@example.com',
    '\ud800',
    '\u202e',
    '{{7*7}}',
    "'; drop table users.users; --",
    '../../etc/passwd',
  ];
  const bodies: unknown[] = [
    ...odd.flatMap((text) => [
      text,
      { email: text, password: text, name: text },
      { email: `${uuidv7()}@example.com`, password: '12345678', name: `${text}\0` },
      { amount: text, currency: text },
      { items: [{ sku: text || ' ', quantity: 1 }] },
    ]),
    `${'['.repeat(30_000)}${']'.repeat(30_000)}`,
    '{"__proto__": {"role": "admin"}, "constructor": {"prototype": {}}}',
    '1e999',
    'null',
    '""',
  ];
  const headers = { 'idempotency-key': newKey() };
  for (const body of bodies) {
    for (const path of ['/v1/users', '/v1/sessions', '/v1/accounts/me/deposits', '/v1/orders']) {
      const { status } = await call(shop(), 'POST', path, { token: own, headers, body });
      const what = `${path} ${JSON.stringify(body).slice(0, 100)}`;
      expect([what, status >= 400 && status < 500]).toEqual([what, true]);
    }
  }
  const cursors = ['"\0"', '"\\u0000"', '{}', '-1', '9e99'].map((text) => Buffer.from(text).toString('base64url'));
  const paths = [
    ...['/v1/products', '/v1/orders', '/v1/notifications', '/v1/accounts/me/entries'].flatMap((path) =>
      [...cursors, '%00', '%'].map((cursor) => `${path}?cursor=${cursor}`),
    ),
    ...['/v1/orders/%00', '/v1/orders/%', '/v1/orders/..%2f', '/v1/notifications?orderId=%00', '/v1/%c0%ae/'],
    ...['/v1/orders?status[]=paid&status[]=x', '/v1/orders?limit=1&limit=2', '/v1/orders?__proto__[x]=1'],
  ];
  for (const path of paths) {
    const { status } = await call(shop(), 'GET', path, { token: own });
    expect([path, status < 500]).toEqual([path, true]);
  }
  expect(await written()).toEqual(before);
});

// promise: owasp-api7
test('an address in a request is never called', async () => {
  let calls = 0;
  const bait = createServer(() => (calls += 1)).listen(0, '127.0.0.1');
  await once(bait, 'listening');
  const address = `127.0.0.1:${(bait.address() as AddressInfo).port}`;
  const url = `http://${address}/x`;
  const customer = await customerWith(shop(), 1_000);
  const headers = {
    'x-forwarded-host': address,
    'x-forwarded-for': address,
    forwarded: `host=${address}`,
    referer: url,
    origin: url,
    'x-original-url': url,
    'ce-source': url,
    'ce-id': url,
  };
  const body = { email: `${uuidv7()}@example.com`, password: '12345678', name: 'Ann', avatar: url, callback: url };
  expect((await call(shop(), 'POST', '/v1/users', { headers, body })).status).toBe(201);
  const { token: own } = customer;
  const order = { items: [{ sku: 'pen', quantity: 1 }], webhook: url };
  const { status } = await call(shop(), 'POST', '/v1/orders', {
    token: own,
    headers: { ...headers, 'idempotency-key': url },
    body: order,
  });
  expect(status).toBe(202);
  await until('both mails are sent', async () => (await shop().mails()).some(({ to }) => to === body.email));
  bait.close();
  expect(calls).toBe(0);
});

// promise: rate-limit
test('guesses of a password are limited, and the response says for how long', async () => {
  const body = { email: `${uuidv7()}@example.com`, password: 'a guess' };
  const attempts: number[] = [];
  for (let count = 0; count < 10; count += 1) {
    attempts.push((await call(shop(), 'POST', '/v1/sessions', { body })).status);
  }
  expect(attempts).toEqual(Array.from({ length: 10 }, () => 401));
  const limited = await call(shop(), 'POST', '/v1/sessions', { body });
  expect(limited).toMatchObject({ status: 429, body: { code: 'too_many_requests' } });
  expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(0);
});

/** The number of rows in the tables that a request can write. */
const written = () =>
  shop().sql(
    `select (select count(*) from ordering.orders) as orders, (select count(*) from billing.deposits) as deposits,
            (select count(*) from billing.transfers) as transfers`,
  );

/** A token as log-in signs it, but for the options. */
async function token(userId: string, { issuer = 'shop', audience = 'shop', expires = '60s' } = {}): Promise<string> {
  const { kid, ...key } = JSON.parse(shop().secrets.TOKEN_PRIVATE_KEY) as { kid: string };
  return new SignJWT({ role: 'customer' })
    .setProtectedHeader({ alg: 'EdDSA', kid })
    .setIssuer(issuer)
    .setAudience(audience)
    .setSubject(userId)
    .setJti(uuidv7())
    .setExpirationTime(expires)
    .sign(await importJWK(key, 'EdDSA'));
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const decode = (text: string): unknown => JSON.parse(Buffer.from(text, 'base64url').toString());
