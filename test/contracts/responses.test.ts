import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { rows } from '#test/support/database.ts';
import { account, customer } from '#test/support/fixtures.ts';
import { until } from '#test/support/until.ts';
import { documented, expectDocumented, operations, type Operation } from './contract.ts';
import {
  ask,
  postUnsigned,
  settled,
  useInProcessShop,
  withoutDatabase,
  type Ask,
  type Reply,
} from './in-process-shop.ts';

// low enough for a test to reach
const limit = 50;
useInProcessShop({ limit });

/** Ann has done everything that a customer can do, so that every list has entries. */
const ann = {
  id: '',
  email: `${uuidv7()}@example.com`,
  password: 'correct horse',
  name: 'Ann',
  orders: [] as string[],
};

beforeAll(async () => {
  const { email, password, name } = ann;
  ann.id = idIn(await ask('post', '/v1/users', { body: { email, password, name } }));
  const opened = async () => (await ask('get', '/v1/accounts/me', { as: ann.id })).status === 200;
  await until('her account is open', opened);
  await asAnn('/v1/accounts/me/deposits', { amount: 100_000, currency: 'usd' });
  for (const sku of ['desk', 'desk']) {
    const order = await asAnn('/v1/orders', { items: [{ sku, quantity: 1 }] });
    ann.orders.push(idIn(order));
    await settled();
  }
  await postUnsigned('shop.order.placed.v1', { orderId: uuidv7(), userId: ann.id });
  await settled();
  await rows(`insert into ordering.products (sku, name, price, currency) values ('gift', 'Gift', 0, 'usd')`);
}, 60_000);

const idIn = ({ body }: Reply) => (body as { id: string }).id;
const key = () => ({ 'idempotency-key': uuidv7() });
const asAnn = (path: string, body: unknown) => ask('post', path, { as: ann.id, body, headers: key() });
const filled = (path: string, id = uuidv7()) => path.replace('{id}', id);
const has = ({ parameters }: Operation, place: string) => parameters.some((one) => one.in === place);

/** A valid request for the route, apart from `changes`. */
function valid({ role, parameters, example }: Operation, changes: Ask = {}): Ask {
  const withKey = parameters.some(({ name }) => name === 'Idempotency-Key');
  return {
    ...(role !== 'public' && { as: role === 'admin' ? uuidv7() : ann.id, role }),
    ...(example !== undefined && { body: example }),
    ...changes,
    headers: { ...(withKey && key()), ...changes.headers },
  };
}

const send = (operation: Operation, changes: Ask = {}, path = filled(operation.path)) =>
  ask(operation.method, path, valid(operation, changes));

/** Responses that many routes share, by problem code or status. */
const general: Record<string, (operation: Operation) => Promise<Reply>> = {
  // an empty list would prove nothing
  '200': async (operation) => {
    const reply = await send(operation, {}, filled(operation.path, ann.orders[0]));
    const { data } = reply.body as { data?: unknown[] };
    expect(data).not.toEqual([]);
    return reply;
  },
  malformed_request: (operation) => {
    if (operation.example !== undefined) return send(operation, { body: '{' });
    if (has(operation, 'query')) return send(operation, {}, `${filled(operation.path)}?limit=many`);
    return send(operation, {}, filled(operation.path, '%ff'));
  },
  bad_cursor: (operation) => send(operation, {}, `${filled(operation.path)}?cursor=invalid`),
  idempotency_key_required: (operation) => send(operation, { headers: { 'idempotency-key': '' } }),
  unauthenticated: (operation) => send(operation, { headers: { authorization: 'Bearer invalid' } }),
  forbidden: (operation) => send(operation, { role: 'customer' }),
  customers_only: (operation) => send(operation, { role: 'admin' }),
  // an unknown user with a valid token
  not_found: (operation) => send(operation, { as: uuidv7() }),
  account_not_open: (operation) => send(operation, { as: uuidv7() }),
  body_too_large: (operation) => send(operation, { body: ['x'.repeat(66_000)] }),
  unsupported_media_type: (operation) => send(operation, { headers: { 'content-type': 'text/plain' } }),
  invalid_body: (operation) => send(operation, { body: '"a text"' }),
  too_many_requests: (operation) =>
    until('the limit is reached', async () => {
      const caller = operation.role === 'public' ? { from: '10.9.9.9' } : { as: uuidv7() };
      const invalid = { ...caller, retry: false, ...(operation.example !== undefined && { body: '"a text"' }) };
      const replies = await Promise.all(Array.from({ length: limit + 5 }, () => send(operation, invalid)));
      return replies.find(({ status }) => status === 429);
    }),
  unavailable: (operation) => withoutDatabase(() => send(operation)),
};

/** Responses of a single route. */
const special: Record<string, (operation: Operation) => Promise<Reply>> = {
  'POST /v1/users 201': (operation) =>
    send(operation, { body: { ...(operation.example as object), email: `${uuidv7()}@example.com` } }),
  'POST /v1/users 409 email_taken': (operation) => send(operation, { body: ann }),
  'POST /v1/sessions 201': (operation) => send(operation, { body: ann }),
  'POST /v1/sessions 401 invalid_credentials': (operation) => send(operation, { body: { ...ann, password: 'wrong' } }),
  'POST /v1/accounts/me/deposits 201': (operation) => send(operation),
  'POST /v1/accounts/me/deposits 422 currency_mismatch': (operation) =>
    send(operation, { body: { amount: 1, currency: 'eur' } }),
  'POST /v1/accounts/me/deposits 422 deposit_limit': async (operation) => {
    const { userId } = await customer({ balance: null });
    await account(userId, Number.MAX_SAFE_INTEGER);
    return send(operation, { as: userId });
  },
  'POST /v1/accounts/me/deposits 422 idempotency_key_reused': (operation) =>
    sendTwice(operation, { amount: 2, currency: 'usd' }),
  'POST /v1/orders 202': (operation) => send(operation),
  'POST /v1/orders 422 unknown_sku': (operation) => send(operation, { body: orderOf('yacht') }),
  'POST /v1/orders 422 order_too_large': (operation) => send(operation, { body: orderOf('gift') }),
  'POST /v1/orders 422 idempotency_key_reused': (operation) => sendTwice(operation, orderOf('pen')),
  'POST /v1/orders/{id}/cancel 202': async (operation) => {
    const order = await asAnn('/v1/orders', orderOf('pen'));
    return send(operation, {}, filled(operation.path, idIn(order)));
  },
  'POST /v1/orders/{id}/cancel 409 order_not_cancelable': (operation) =>
    send(operation, {}, filled(operation.path, ann.orders[1])),
  'GET /v1/events 200': async (operation) => {
    const reply = await send(operation);
    expect(reply.body).toMatch(/^retry: \d+\n\n/);
    return reply;
  },
  'GET /v1/events 400 bad_cursor': (operation) => send(operation, { headers: { 'last-event-id': 'invalid' } }),
  'GET /v1/admin/dead-letters/{id} 200': async (operation) =>
    send(operation, {}, filled(operation.path, await unverifiedDeadLetter())),
  'POST /v1/admin/dead-letters/{id}/replay 202': async (operation) =>
    send(operation, {}, filled(operation.path, await unverifiedDeadLetter())),
  'POST /v1/admin/dead-letters/{id}/replay 422 not_replayable': async (operation) => {
    const id = uuidv7();
    await rows(
      `insert into events.dead_letters (id, verified, source, event_id, type, reason, detail, event)
       values ($1::uuid, false, '/x', $1::text, 'x', 'unverified', '', $2)`,
      [id, { specversion: '1.0', id, source: '/x', type: 'a\nb' }],
    );
    return send(operation, {}, filled(operation.path, id));
  },
  'POST /v1/admin/dead-letters/replay 202': (operation) => send(operation),
  // a report is cached for one second
  'GET /readyz 503': (operation) => withoutDatabase(() => pause(1_000).then(() => send(operation))),
};

/** The id of the dead letter of the event that was posted unsigned. */
async function unverifiedDeadLetter(): Promise<string> {
  const { body } = await ask('get', '/v1/admin/dead-letters', { as: uuidv7(), role: 'admin' });
  return (body as { data: { id: string; type: string }[] }).data.find(({ type }) => type.startsWith('shop.'))?.id ?? '';
}

const orderOf = (sku: string) => ({ items: [{ sku, quantity: 1 }] });

async function sendTwice(operation: Operation, otherBody: unknown): Promise<Reply> {
  const headers = key();
  expect((await send(operation, { headers })).status).toBeLessThan(300);
  return send(operation, { headers, body: otherBody });
}

test.each(documented)('$name is as documented', async ({ name, operation, status, code }) => {
  const drive = special[name] ?? general[code ?? status];
  if (!drive) throw new Error(`No request here leads to this response: add one to "special" as "${name}".`);
  const reply = await drive(operation);
  expect({ status: String(reply.status), code: (reply.body as { code?: string }).code }).toEqual({ status, code });
  expectDocumented(operation, reply);
});

test('every request of a single route leads to a documented response', () => {
  const names = new Set(documented.map(({ name }) => name));
  expect(Object.keys(special).filter((name) => !names.has(name))).toEqual([]);
  expect(operations.length).toBeGreaterThan(15);
});

test('the report of a ledger that does not balance is as documented', async () => {
  const { accountId } = await customer({ balance: 10 });
  await rows('update billing.accounts set balance = 9 where id = $1', [accountId]);
  const verify = operations.find(({ path }) => path === '/v1/admin/ledger/verify') as Operation;
  const reply = await send(verify);
  expect(reply.body).toMatchObject({
    balanced: false,
    differences: expect.arrayContaining([expect.objectContaining({ subject: accountId })]),
  });
  expectDocumented(verify, reply);
});

test('a list of orders in different states is as documented', async () => {
  const list = operations.find(({ method, path }) => method === 'get' && path === '/v1/orders') as Operation;
  const reply = await send(list);
  const statuses = (reply.body as { data: { status: string }[] }).data.map(({ status }) => status);
  expect(statuses).toEqual(expect.arrayContaining(['paid', 'rejected']));
  expectDocumented(list, reply);
});

afterAll(settled);
