import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { uuidv7 } from 'uuidv7';
import { functionNames } from '#local/functions.ts';
import { bearer } from '#test/support/calls.ts';
import { row, rows, useDatabase } from '#test/support/database.ts';
import { customer, order, standing } from '#test/support/fixtures.ts';
import { createStorefront } from '#functions/storefront/index.ts';
import { context, useBroker, useFunctions } from '#test/support/context.ts';
import { serveHttp, type HttpServer } from '#platform/http/http-server.ts';
import type { RequestFunction, RequestHandle } from '#platform/http/on-request.ts';
import { checkOften, mixedCase } from '#test/support/fuzz.ts';
import { record, sized } from '#test/support/sizes.ts';

// Arbitrary requests to the public API, over HTTP and with the functions behind it: valid ones are executed, all others
// get 4xx and write no row. Never 5xx, never no response.

const properties = 11;
const runs = sized(200, 20_000);
const amount = { runs, share: 1 / properties };
jest.setTimeout(60_000 + runs * 100);

useDatabase();

let storefront: HttpServer;
let url: string;
let ann: { userId: string; accountId: string | null };
let annsOrder: string;
let headersOf: Record<'ann' | 'admin' | 'anonymous', Record<string, string>>;
beforeAll(async () => {
  const unlimited = '1000000';
  Object.assign(process.env, {
    RATE_LIMIT_REQUESTS: unlimited,
    RATE_LIMIT_REGISTRATIONS: unlimited,
    RATE_LIMIT_FAILED_LOGINS: unlimited,
    RATE_LIMIT_FAILED_LOGINS_PER_ADDRESS: unlimited,
  });
  storefront = await serveHttp(createStorefront(context), { port: 0, host: '127.0.0.1' });
  url = `http://127.0.0.1:${(storefront.server.address() as AddressInfo).port}`;
  const functions = new Map<string, RequestFunction>();
  for (const name of functionNames.filter((one) => one !== 'storefront')) {
    const { handle } = (await import(`#functions/${name}/index.ts`)) as { handle: RequestHandle };
    functions.set(name, handle(context.of(name)));
  }
  useFunctions((name, request) => (functions.get(name) as RequestFunction)({ method: 'POST', ...request }));
  useBroker(async () => undefined);
  ann = await customer({ balance: 1_000 });
  annsOrder = await order(ann.userId, 100);
  headersOf = { ann: await bearer(ann.userId), admin: await bearer(uuidv7(), 'admin'), anonymous: {} };
});
afterAll(async () => {
  await storefront.stop();
  await context.tasks.done(5_000);
});

interface Sent {
  as: keyof typeof headersOf;
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string | undefined;
}

async function send({ as, method, path, headers, body }: Sent): Promise<number> {
  const response = await fetch(url + path, {
    method,
    headers: { ...headersOf[as], ...headers },
    ...(body !== undefined && method !== 'GET' && method !== 'HEAD' && { body }),
  });
  const content = await response.text();
  if (response.status >= 400 && method !== 'HEAD') {
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(JSON.parse(content)).toMatchObject({ status: response.status, code: expect.any(String) });
  }
  return response.status;
}

const written = () =>
  row(
    `select (select count(*) from users.users) as users, (select count(*) from ordering.orders) as orders,
            (select count(*) from ordering.order_lines) as lines, (select count(*) from billing.deposits) as deposits,
            (select count(*) from billing.transfers) as transfers, (select count(*) from events.outbox) as chains,
            (select count(*) from ordering.orders where status <> 'pending') as changed`,
  );

const oneOf = <Item>(items: readonly Item[]) => fc.constantFrom(...items);
const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }), fc.uuid());
const anything = fc.oneof(
  text,
  fc.double(),
  fc.integer(),
  fc.constant(null),
  fc.boolean(),
  fc.object(),
  fc.array(text),
);
const mostlyValid = (fields: Record<string, fc.Arbitrary<unknown>>) =>
  fc.record(Object.fromEntries(Object.entries(fields).map(([name, its]) => [name, fc.oneof(its, anything)])), {
    requiredKeys: [],
  });
const line = mostlyValid({ sku: oneOf(['pen', 'desk', 'unicorn']), quantity: fc.integer({ min: -2, max: 1_000_002 }) });
const bodies = {
  '/v1/users': mostlyValid({ email: fc.emailAddress(), password: oneOf(['short']), name: text }),
  '/v1/sessions': mostlyValid({ email: fc.emailAddress(), password: fc.string() }),
  '/v1/accounts/me/deposits': mostlyValid({ amount: fc.double(), currency: oneOf(['eur', 'usd', 'USD']) }),
  '/v1/orders': mostlyValid({ items: fc.array(fc.oneof(line, anything), { maxLength: 4 }) }),
};
const forCustomers = new Set(['/v1/accounts/me/deposits', '/v1/orders']);
const headers = fc.dictionary(
  oneOf([
    'idempotency-key',
    'content-type',
    'accept',
    'traceparent',
    'x-request-id',
    'x-forwarded-for',
    'ce-id',
    'range',
  ]),
  fc.oneof(fc.stringMatching(/^[\x21-\x7e]{0,300}$/), fc.uuid()),
  { maxKeys: 4 },
);
const caller = oneOf(['ann', 'ann', 'ann', 'admin', 'anonymous'] as const);

/** Checks a property for many inputs. A failure says how to repeat it. */
async function always<Input>(given: fc.Arbitrary<Input>, check: (input: Input) => Promise<void>): Promise<void> {
  const count = await checkOften(given, check, amount);
  record({ fault: 'fuzzed request', count, orders: 0 });
}

describe('an arbitrary request', () => {
  test.each(Object.entries(bodies))('to %s as JSON is executed, or refused without writing a row', (path, fields) =>
    always(fc.tuple(caller, fields, headers), async ([as, body, more]) => {
      const before = await written();
      const sent = { 'idempotency-key': uuidv7(), ...more, 'content-type': 'application/json' };
      const status = await send({ as, method: 'POST', path, headers: sent, body: JSON.stringify(body) });
      expect([201, 202, 400, 401, 403, 404, 409, 413, 415, 422]).toContain(status);
      expect(status === 403).toBe(as === 'admin' && forCustomers.has(path));
      const changed = JSON.stringify(await written()) !== JSON.stringify(before);
      expect({ status, changed }).toEqual({
        status,
        changed: (status === 201 && path !== '/v1/sessions') || status === 202,
      });
    }),
  );

  test('with any body, path and method never gets 5xx and changes nothing', async () => {
    const before = await written();
    const segment = fc.oneof(
      oneOf([
        'v1',
        'users',
        'me',
        'orders',
        'accounts',
        'admin',
        'dead-letters',
        'timeline',
        'cancel',
        '..',
        '%2e',
        '',
      ]),
      text.map(encodeURIComponent),
      oneOf(['%', '%zz', '%00', '%ff', 'v1%2forders', '__proto__', 'constructor']),
    );
    const query = fc.webQueryParameters().map((its) => (its ? `?${its}` : ''));
    const anyPath = fc
      .tuple(fc.array(segment, { maxLength: 6 }), query)
      .map(([its, asked]) => `/${its.join('/')}${asked}`);
    const method = oneOf(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD']);
    const content = fc.option(fc.oneof(fc.json(), fc.string()), { nil: undefined });
    await always(fc.tuple(caller, method, anyPath, headers, content), async ([as, verb, path, more, body]) => {
      fc.pre(!(verb === 'POST' && path === '/v1/users'));
      expect(await send({ as, method: verb, path, headers: more, body })).toBeLessThan(500);
    });
    expect(await written()).toEqual(before);
  });

  test('for any list with any query gets a page or is refused', async () => {
    const lists = [
      '/v1/orders',
      '/v1/products',
      '/v1/notifications',
      '/v1/accounts/me/entries',
      '/v1/admin/dead-letters',
    ];
    const cursor = fc.oneof(
      text,
      anything.map((its) => Buffer.from(JSON.stringify(its) ?? '').toString('base64url')),
    );
    const asked = fc.dictionary(
      oneOf(['limit', 'cursor', 'status', 'orderId', 'x']),
      fc.oneof(cursor, oneOf(['0', '1', '101', '-1', '1e3', 'paid', ' ']), fc.integer().map(String)),
    );
    await always(fc.tuple(oneOf(['ann', 'admin'] as const), oneOf(lists), asked), async ([as, list, query]) => {
      const path = `${list}?${new URLSearchParams(query).toString()}`;
      expect([200, 400, 403, 404]).toContain(await send({ as, method: 'GET', path, headers: {}, body: undefined }));
    });
  });

  test('with any id of an order finds only the caller’s own', () =>
    always(fc.tuple(fc.oneof(text, fc.uuid()), oneOf(['', '/timeline', '/cancel'])), async ([id, what]) => {
      fc.pre(!['.', '..', ''].includes(id));
      const method = what === '/cancel' ? 'POST' : 'GET';
      const path = `/v1/orders/${encodeURIComponent(id.toWellFormed())}${what}`;
      expect([400, 404]).toContain(await send({ as: 'ann', method, path, headers: {}, body: undefined }));
      expect(id).not.toBe(annsOrder);
    }));
});

describe('a valid request', () => {
  // promise: upper-case-ids
  test('with the id in any case finds the same order and cancels it once', () =>
    always(fc.nat(), async (pick) => {
      const orderId = await order(ann.userId, 1);
      const mixed = mixedCase(orderId, pick);
      const asked = async (method: string, path: string) => {
        const response = await fetch(url + path, { method, headers: headersOf.ann });
        return { status: response.status, body: (await response.json()) as unknown };
      };
      const before = await asked('GET', `/v1/orders/${orderId}/timeline`);
      expect(await asked('GET', `/v1/orders/${mixed}/timeline`)).toEqual(before);
      expect(await asked('GET', `/v1/notifications?orderId=${mixed}`)).toMatchObject({ status: 200 });
      const canceled = await asked('POST', `/v1/orders/${mixed}/cancel`);
      expect(canceled).toMatchObject({ status: 202, body: { id: orderId, status: 'canceling' } });
      expect(await rows('select id from events.outbox where id ilike $1', [`${orderId}.cancel%`])).toEqual([
        { id: `${orderId}.cancel_requested` },
      ]);
      expect(await asked('GET', `/v1/orders/${mixed}`)).toEqual({ ...canceled, status: 200 });
    }));

  // promise: email-addresses
  test('with any valid e-mail address is refused only for its short password', () =>
    always(fc.emailAddress(), async (email) => {
      const response = await fetch(`${url}/v1/users`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ email, password: 'short', name: 'Ann' }),
      });
      const { errors } = (await response.json()) as { errors: { field: string }[] };
      expect(errors.map(({ field }) => field)).toEqual(['password']);
    }));

  const post = (path: string, body: unknown) =>
    send({
      as: 'ann',
      method: 'POST',
      path,
      headers: { 'content-type': 'application/json', 'idempotency-key': uuidv7() },
      body: JSON.stringify(body),
    });

  test('to deposit raises the balance by the amount', () =>
    always(fc.integer({ min: 1, max: 1_000_000 }), async (amount) => {
      const { balance } = await standing(ann.accountId);
      expect(await post('/v1/accounts/me/deposits', { amount, currency: 'usd' })).toBe(201);
      expect((await standing(ann.accountId)).balance).toBe(balance + amount);
    }));

  test('to order is accepted with the right total', () => {
    const prices = { desk: 80_000, chair: 20_000, pen: 100, sticker: 1 };
    const item = fc.record({
      sku: oneOf(Object.keys(prices) as (keyof typeof prices)[]),
      quantity: fc.integer({ min: 1, max: 1_000_000 }),
    });
    return always(fc.array(item, { minLength: 1, maxLength: 100 }), async (items) => {
      expect(await post('/v1/orders', { items })).toBe(202);
      const { total } = await row<{ total: number }>('select total from ordering.orders order by id desc limit 1');
      expect(total).toBe(items.reduce((sum, { sku, quantity }) => sum + prices[sku] * quantity, 0));
    });
  });
});
