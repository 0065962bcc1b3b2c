import { beforeAll, describe, expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { routes } from '#api/routes.ts';
import { row } from '#test/support/database.ts';
import { customer } from '#test/support/fixtures.ts';
import { expectDocumented, operations, type Operation } from './contract.ts';
import { ask, settled, useInProcessShop, type Ask, type Reply } from './in-process-shop.ts';

useInProcessShop();

let userId: string;
beforeAll(async () => {
  ({ userId } = await customer({ balance: 1_000_000 }));
});

const title = ({ method, path }: Operation) => `${method.toUpperCase()} ${path}`;
const filled = (path: string, id = uuidv7()) => path.replace('{id}', id);
const caller = ({ role }: Operation): Ask =>
  role === 'public' ? {} : { as: role === 'admin' ? uuidv7() : userId, role };

/** The number of rows in the tables that a request can write. */
const written = () =>
  row(
    `select (select count(*) from users.users) as users, (select count(*) from ordering.orders) as orders,
            (select count(*) from ordering.order_lines) as lines, (select count(*) from billing.deposits) as deposits,
            (select count(*) from billing.transfers) as transfers, (select count(*) from events.outbox) as events`,
  );

/** Expects each request to be refused with a documented response and to write nothing. */
async function expectRefused(operation: Operation, requests: { what: string; send: () => Promise<Reply> }[]) {
  await settled();
  const before = await written();
  for (const { what, send } of requests) {
    const reply = await send();
    const refused = reply.status >= 400 && reply.status < 500;
    expect({ what, status: reply.status, refused }).toEqual({ what, status: reply.status, refused: true });
    expectDocumented(operation, reply);
  }
  await settled();
  expect(await written()).toEqual(before);
}

const withBody = operations.filter(({ example }) => example !== undefined).map((one) => ({ title: title(one), one }));

const deep = `${'['.repeat(30_000)}${']'.repeat(30_000)}`;
const texts: [what: string, text: string | Buffer][] = [
  ['an empty body', ''],
  ['a blank', ' '],
  ['half of JSON', '{"a":'],
  ['two bodies', '{}{}'],
  ['NaN', '{"amount": NaN}'],
  ['a comment', '{} // now'],
  ['a list', '[]'],
  ['a string', '"x"'],
  ['null', 'null'],
  ['a number', '1e999'],
  ['an empty object', '{}'],
  ['deep nesting', deep],
  ['a prototype', '{"__proto__": {"amount": 1, "currency": "usd"}, "constructor": 1}'],
  ['a NUL', '{"a\u0000": 1}'],
  ['bytes that are not UTF-8', Buffer.from('{"email": "\xff\xfe", "name": "\xc3"}', 'latin1')],
  ['bytes that are not text', Buffer.from([0, 1, 2, 255, 254])],
];

const types = [
  'text/plain',
  'application/xml',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'application/json; charset=latin1',
  'application/json; charset=utf-7',
  'application/json; charset=utf-16',
  'application/cloudevents+json',
  'json',
];

describe.each(withBody)('the body of $title', ({ one }) => {
  const headers = () => ({ 'idempotency-key': uuidv7() });
  const send = (request: Ask) =>
    ask(one.method, filled(one.path), { ...caller(one), ...request, headers: { ...headers(), ...request.headers } });

  test('must be JSON that matches the schema', () =>
    expectRefused(
      one,
      texts.filter(([, text]) => !isValid(one, text)).map(([what, body]) => ({ what, send: () => send({ body }) })),
    ));

  test('must be declared as JSON, in UTF-8, uncompressed and small enough', () =>
    expectRefused(one, [
      {
        what: 'valid but for a field that is not UTF-8',
        send: () => send({ body: Buffer.from(JSON.stringify(one.example).replace(/}$/, ', "x": "\xff"}'), 'latin1') }),
      },
      ...types.map((type) => ({
        what: type,
        send: () => send({ body: one.example, headers: { 'content-type': type } }),
      })),
      ...['gzip', 'br', 'deflate', 'unknown'].map((encoding) => ({
        what: encoding,
        send: () => send({ body: one.example, headers: { 'content-encoding': encoding } }),
      })),
      { what: 'a body that is too large', send: () => send({ body: `"${'x'.repeat(66_000)}"` }) },
    ]));

  const invalidFields = fieldsOf(one.example).flatMap((path) =>
    wrongFor(path)
      // unless the field is optional
      .filter((value) => value !== undefined || !isValid(one, JSON.stringify(replaced(one.example, path, value))))
      .map((value) => ({
        what: `${path.join('.')} = ${(JSON.stringify(value) ?? 'nothing').slice(0, 40)}`,
        send: () => send({ body: replaced(one.example, path, value) }),
      })),
  );

  test('must have fields of the right types within their bounds', () => expectRefused(one, invalidFields));

  const key = one.parameters.some(({ name }) => name === 'Idempotency-Key');
  if (key) {
    test('must come with a valid Idempotency-Key', () =>
      expectRefused(
        one,
        ['', ' ', 'a b', 'x'.repeat(256), 'schlüssel'].map((value) => ({
          what: value.slice(0, 20),
          send: () => send({ body: one.example, headers: { 'idempotency-key': value } }),
        })),
      ));
  }
});

/** Whether the route accepts this text as its body. */
function isValid({ method, path }: Operation, text: string | Buffer): boolean {
  const { body } = routes.find((route) => route.method === method && route.path === path) ?? {};
  try {
    return body?.safeParse(JSON.parse(text.toString() || '{}')).success ?? false;
  } catch {
    return false;
  }
}

/** The paths of the values in a body: `items`, `items.0`, `items.0.sku`. */
function fieldsOf(value: unknown, before: string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => {
    const path = [...before, name];
    return [path, ...fieldsOf(inner, path)];
  });
}

function replaced(value: unknown, [name = '', ...rest]: string[], by: unknown): unknown {
  const copy = structuredClone(value) as Record<string, unknown>;
  copy[name] = rest.length === 0 ? by : replaced(copy[name], rest, by);
  return copy;
}

/** Values that no field accepts; in a password any text is valid. */
function wrongFor(path: string[]): unknown[] {
  const anywhere = [null, undefined, true, [], {}, [[]], -1, 0, 1.5, 1e300, 2 ** 53, '', 'x'.repeat(20_000)];
  const inStrings = ['\u0000', 'a\u0000b', '\ud800', 'a\nb'];
  return path.at(-1) === 'password' ? anywhere : [...anywhere, ...inStrings];
}

const cursor = (text: string) => Buffer.from(text).toString('base64url');
const cursors = ['', 'x', '%00', '%ff', 'x'.repeat(5_000), '[]', 'a&cursor=b'].concat(
  ['', 'null', '{}', '[]', '1e308', '-1', '1.5', '9007199254740992', '"\\u0000"', '"\\ud800"', '"x"', '""', deep]
    .map(cursor)
    .map((one) => one.slice(0, 8_000)),
);
const bad: Record<string, string[]> = {
  limit: ['', '0', '-1', '101', '1.5', 'x', '1e99', 'Infinity', '%00', '1&limit=2', '9'.repeat(5_000)],
  cursor: cursors,
  type: ['', '%00', 'a%0ab', 'x&type=y', 'x'.repeat(5_000)],
  status: ['', 'lost', 'PAID', '%00', 'paid&status=pending', '%ff', 'x'.repeat(5_000)],
  orderId: ['', 'x', '1', '%00', uuidv7().slice(1), `${uuidv7()}&orderId=${uuidv7()}`, '%ff', 'x'.repeat(5_000)],
};
// valid keys of a page of products
const keysOfProducts = new Set(['"x"', '""'].map(cursor));

const withQuery = operations.flatMap((one) => {
  const names = one.parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name);
  return names.length === 0 ? [] : [{ title: title(one), one, names }];
});

describe.each(withQuery)('the query of $title', ({ one, names }) => {
  test('must have valid values', async () => {
    const requests = names.flatMap((name) => {
      const values = bad[name];
      if (!values) throw new Error(`Add invalid values for the parameter ${name} to "bad".`);
      return values
        .filter((value) => !(one.path === '/v1/products' && keysOfProducts.has(value)))
        .map((value) => ({
          what: `${name}=${value.slice(0, 40)}`,
          send: () => ask(one.method, `${filled(one.path)}?${name}=${value}`, caller(one)),
        }));
    });
    await expectRefused(one, requests);
  });

  test('may have unknown parameters', async () => {
    for (const query of ['un=known', '%00=%00', '__proto__=x&constructor=y', 'a[b]=c', '=', '&&&', '%ff=1']) {
      const reply = await ask(one.method, `${filled(one.path)}?${query}`, caller(one));
      expect({ query, status: reply.status }).toEqual({ query, status: 200 });
      expectDocumented(one, reply);
    }
  });
});

const withId = operations.filter(({ path }) => path.includes('{id}')).map((one) => ({ title: title(one), one }));

test.each(withId)('$title refuses an invalid id', async ({ one }) => {
  const ids = [
    'x',
    '1',
    '-1',
    '%00',
    '%0a',
    '%ff',
    '%',
    '..%2f..',
    '%F0%9F%98%80',
    'null',
    'x'.repeat(5_000),
    `${uuidv7()}0`,
  ];
  const body = one.example === undefined ? {} : { body: one.example };
  await expectRefused(
    one,
    ids.map((id) => ({
      what: id.slice(0, 40),
      send: () => ask(one.method, filled(one.path, id), { ...caller(one), ...body }),
    })),
  );
});

const secured = operations.filter(({ role }) => role !== 'public').map((one) => ({ title: title(one), one }));

test.each(secured)('$title refuses an invalid token', async ({ one }) => {
  const tokens = [
    'Bearer',
    'Bearer ',
    'Basic YTpi',
    'Bearer a.b',
    'Bearer a.b.c',
    'Bearer e30.e30.',
    `Bearer ${'x'.repeat(9_000)}`,
  ];
  const body = one.example === undefined ? {} : { body: one.example };
  await expectRefused(
    one,
    tokens.map((authorization) => ({
      what: authorization.slice(0, 40),
      send: () => ask(one.method, filled(one.path), { ...body, headers: { authorization } }),
    })),
  );
});

const paths = [
  '/v1',
  '/v1/',
  '/v1/nothing',
  '/v1//orders',
  '/%00',
  '/%ff',
  '/v1/%ff',
  '/..%2f..%2fetc',
  '/docs/..%2fopenapi.ts',
  '/docs/%00',
  '/docs/nothing.css',
  `/${'x'.repeat(9_000)}`,
];

test.each(paths)('GET %s is not found', async (path) => {
  const { status, headers } = await ask('get', path, { as: userId });
  expect([400, 404]).toContain(status);
  expect(headers.get('content-type')).toBe('application/problem+json');
});
