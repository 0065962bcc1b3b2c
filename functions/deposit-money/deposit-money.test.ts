import { describe, expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { call } from '#test/support/calls.ts';
import { connection, row, rows, useDatabase, waitingForLock } from '#test/support/database.ts';
import { customer, standing } from '#test/support/fixtures.ts';
import { handle } from './index.ts';

useDatabase();

const maxAmount = Number.MAX_SAFE_INTEGER;
const deposit = (userId: string, body: unknown, key = uuidv7()) =>
  call<{ id: string; balance: number; code: string }>(handle, body, { userId, key });
const usd = (amount: number) => ({ amount, currency: 'usd' });

test('raises the balance by one movement, and stores an event', async () => {
  const { userId, accountId } = await customer({ balance: 200 });
  const { status, body } = await deposit(userId, usd(1_000));
  expect(status).toBe(201);
  expect(body).toEqual({ id: body.id, ...usd(1_000), balance: 1_200, createdAt: expect.any(String) });
  expect(await standing(accountId)).toEqual({ balance: 1_200, version: 2, movements: 2 });
  const { event } = await row<{ event: object }>('select event from events.outbox where id = $1', [
    `${body.id}.succeeded`,
  ]);
  expect(event).toMatchObject({ data: { depositId: body.id, accountId, userId, ...usd(1_000) } });
});

describe('the same Idempotency-Key', () => {
  // promise: deposit
  test('makes one deposit for a repeated key, in sequence and in parallel, with the same response', async () => {
    const { userId, accountId } = await customer();
    const key = uuidv7();
    const responses = await Promise.all([1, 2, 3, 4, 5].map(() => deposit(userId, usd(100), key)));
    responses.push(await deposit(userId, usd(100), key));
    for (const response of responses) expect(response).toEqual(responses[0]);
    expect(await standing(accountId)).toEqual({ balance: 100, version: 1, movements: 1 });
  });

  test('makes one deposit for a repeated key while another process has locked the account', async () => {
    const { userId, accountId } = await customer();
    const key = uuidv7();
    const other = await connection();
    await other.query('begin');
    await other.query('update billing.accounts set balance = 100, deposited = 100, version = 1 where id = $1', [
      accountId,
    ]);
    const first = deposit(userId, usd(100), key);
    await waitingForLock();
    const second = deposit(userId, usd(100), key);
    await waitingForLock(2);
    await other.query('rollback');
    expect(await second).toEqual(await first);
    expect(await standing(accountId)).toEqual({ balance: 100, version: 1, movements: 1 });
  });

  test('refuses a key that is reused with another body, and moves nothing', async () => {
    const { userId, accountId } = await customer();
    const key = uuidv7();
    await deposit(userId, usd(100), key);
    expect(await deposit(userId, usd(200), key)).toMatchObject({
      status: 422,
      body: { code: 'idempotency_key_reused' },
    });
    expect(await standing(accountId)).toMatchObject({ balance: 100 });
  });

  test('makes two deposits when two customers use the same key', async () => {
    const [ann, bob] = await Promise.all([customer(), customer()]);
    const key = uuidv7();
    await Promise.all([deposit(ann.userId, usd(100), key), deposit(bob.userId, usd(200), key)]);
    expect([await standing(ann.accountId), await standing(bob.accountId)]).toMatchObject([
      { balance: 100 },
      { balance: 200 },
    ]);
  });
});

describe('refusals', () => {
  test.each([
    ['an amount of zero', 0],
    ['a negative amount', -1],
    ['a fractional amount', 0.5],
    ['an amount that JSON does not carry exactly', maxAmount + 1],
    ['an amount as text', '100'],
    ['an amount of null', null],
  ])('refuses %s, and moves nothing', async (_what, amount) => {
    const { userId, accountId } = await customer();
    expect(await deposit(userId, { amount, currency: 'usd' })).toMatchObject({
      status: 422,
      body: { code: 'invalid_body', errors: [{ field: 'amount' }] },
    });
    expect(await standing(accountId)).toMatchObject({ balance: 0, movements: 0 });
  });

  test('refuses another currency than the account’s', async () => {
    const { userId, accountId } = await customer();
    expect(await deposit(userId, { amount: 1, currency: 'eur' })).toMatchObject({
      body: { code: 'currency_mismatch' },
    });
    expect(await standing(accountId)).toMatchObject({ movements: 0 });
  });

  test('refuses a deposit above the lifetime limit of the account, even when most of it was spent', async () => {
    const { userId, accountId } = await customer();
    expect((await deposit(userId, usd(maxAmount))).status).toBe(201);
    await rows('update billing.accounts set balance = 5 where id = $1', [accountId]);
    expect(await deposit(userId, usd(1))).toMatchObject({ status: 422, body: { code: 'deposit_limit' } });
    expect(await standing(accountId)).toMatchObject({ balance: 5, movements: 1 });
  });

  test('refuses a deposit before the account is open, with a time to retry', async () => {
    const { userId } = await customer({ balance: null });
    expect(await deposit(userId, usd(1))).toMatchObject({
      status: 404,
      headers: { 'retry-after': '1' },
      body: { code: 'account_not_open' },
    });
  });

  // promise: administrator
  test('refuses a deposit of the administrator, who never gets an account', async () => {
    const { userId, accountId } = await customer({ balance: 5 });
    const response = await call(handle, usd(1), { userId, role: 'admin' });
    expect(response).toMatchObject({ status: 403, body: { code: 'customers_only' } });
    expect(await standing(accountId)).toMatchObject({ balance: 5, movements: 1 });
  });

  // promise: owasp-api5
  test('refuses a caller without a token, and a request without an Idempotency-Key', async () => {
    const { userId } = await customer();
    expect(await call(handle, usd(1))).toMatchObject({ status: 401, body: { code: 'unauthenticated' } });
    expect(await deposit(userId, usd(1), '')).toMatchObject({
      status: 400,
      body: { code: 'idempotency_key_required' },
    });
  });
});
