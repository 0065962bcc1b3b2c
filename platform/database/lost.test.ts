import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { handle as cancelOrder } from '#functions/cancel-order/index.ts';
import { handle as createOrder } from '#functions/create-order/index.ts';
import { handle as depositMoney } from '#functions/deposit-money/index.ts';
import { handle as logIn } from '#functions/log-in/index.ts';
import { handle as registerUser } from '#functions/register-user/index.ts';
import { call } from '#test/support/calls.ts';
import { useBroker } from '#test/support/context.ts';
import { row, useDatabase } from '#test/support/database.ts';
import { customer, order, standing } from '#test/support/fixtures.ts';
import { startPostgresProxy, type PostgresProxy } from '#test/support/postgres-proxy.ts';

// The connection is lost exactly between a commit and its response.

const published: string[] = [];
useBroker(async ({ id }) => void published.push(id));

let proxy: PostgresProxy;
beforeAll(async () => {
  const url = process.env['DATABASE_URL'] ?? '';
  proxy = await startPostgresProxy(Number(new URL(url).port));
  process.env['DATABASE_URL'] = proxy.urlOf(url);
});
useDatabase();
afterAll(() => proxy.close());

/** Expects that the response of a statement is lost so many times meanwhile. */
async function losing<Result>(statement: string, times: number, work: () => Promise<Result>): Promise<Result> {
  const before = proxy.dropped();
  proxy.dropResponses(statement, times);
  const result = await work();
  expect(proxy.dropped() - before).toBe(times);
  return result;
}

const pen = { items: [{ sku: 'pen', quantity: 1 }] };

// promise: lost-commit
test('accepts an order once when the connection is lost after its commit', async () => {
  const { userId } = await customer();
  const { status, body } = await losing('create-order.insert', 1, () =>
    call<{ id: string }>(createOrder, pen, { userId }),
  );
  expect(status).toBe(202);
  expect(await row('select id from ordering.orders where user_id = $1', [userId])).toEqual({ id: body.id });
  expect(published.filter((id) => id.startsWith(body.id))).toHaveLength(1);
});

// promise: lost-commit
test('repeats the first order to a customer who got 503 and sends the same key again', async () => {
  const { userId } = await customer();
  const key = uuidv7();
  const first = await losing('create-order.', 2, () => call(createOrder, pen, { userId, key }));
  expect(first).toMatchObject({ status: 503, headers: { 'retry-after': '1' }, body: { code: 'unavailable' } });
  const second = await call<{ id: string }>(createOrder, pen, { userId, key });
  expect(second.status).toBe(202);
  expect(await row('select id from ordering.orders where user_id = $1', [userId])).toEqual({ id: second.body.id });
});

// promise: lost-commit
test('credits a deposit once when the connection is lost after its commit', async () => {
  const { userId, accountId } = await customer();
  const deposit = () => call(depositMoney, { amount: 500, currency: 'usd' }, { userId });
  const response = await losing('deposit-money.insert', 1, deposit);
  expect(response).toMatchObject({ status: 201, body: { amount: 500, balance: 500 } });
  expect(await standing(accountId)).toEqual({ balance: 500, version: 1, movements: 1 });
});

// promise: lost-commit
test('cancels an order once when the connection is lost after its commit', async () => {
  const { userId } = await customer();
  const orderId = await order(userId, 3);
  const response = await losing('cancel-order.cancel', 1, () => call(cancelOrder, { orderId }, { userId }));
  expect(response).toMatchObject({ status: 202, body: { id: orderId, status: 'canceling' } });
});

// promise: lost-commit
test('registers a customer once when the connection is lost after the commit', async () => {
  const body = { email: `${uuidv7()}@example.com`, password: 'correct horse', name: 'Ann' };
  const response = await losing('register-user.insert', 1, () => call<{ id: string }>(registerUser, body));
  expect(response).toMatchObject({ status: 201, body: { email: body.email } });
  expect(await row('select id from users.users where email = $1', [body.email])).toEqual({ id: response.body.id });
  const { email, password } = body;
  expect(await losing('log-in.', 1, () => call(logIn, { email, password }))).toMatchObject({ status: 503 });
  expect(await call(logIn, { email, password })).toMatchObject({ status: 201 });
});
