import { describe, expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { call } from '#test/support/calls.ts';
import { connection, row, rows, useDatabase, waitingForLock } from '#test/support/database.ts';
import { customer, standing } from '#test/support/fixtures.ts';
import { handle } from './index.ts';

useDatabase();

const most = Number.MAX_SAFE_INTEGER;
const deposit = (userId: string, body: unknown, key = uuidv7()) =>
  call<{ id: string; balance: number; code: string }>(handle, body, { userId, key });
const usd = (amount: number) => ({ amount, currency: 'usd' });

test('a deposit raises the balance by one movement and is announced', async () => {
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
  // promise: deposit-raises-balance-once
  test('one after the other and at once is one deposit with one answer', async () => {
    const { userId, accountId } = await customer();
    const key = uuidv7();
    const answers = await Promise.all([1, 2, 3, 4, 5].map(() => deposit(userId, usd(100), key)));
    answers.push(await deposit(userId, usd(100), key));
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect(await standing(accountId)).toEqual({ balance: 100, version: 1, movements: 1 });
  });

  test('while another process is about to commit it is answered by that deposit', async () => {
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

  test('with another body is refused and moves nothing', async () => {
    const { userId, accountId } = await customer();
    const key = uuidv7();
    await deposit(userId, usd(100), key);
    expect(await deposit(userId, usd(200), key)).toMatchObject({
      status: 422,
      body: { code: 'idempotency_key_reused' },
    });
    expect(await standing(accountId)).toMatchObject({ balance: 100 });
  });

  test('of two customers is two deposits', async () => {
    const [ann, bob] = await Promise.all([customer(), customer()]);
    const key = uuidv7();
    await Promise.all([deposit(ann.userId, usd(100), key), deposit(bob.userId, usd(200), key)]);
    expect([await standing(ann.accountId), await standing(bob.accountId)]).toMatchObject([
      { balance: 100 },
      { balance: 200 },
    ]);
  });
});

describe('refused, and nothing moves', () => {
  test.each([
    ['nothing', 0],
    ['less than nothing', -1],
    ['a fraction', 0.5],
    ['more than JSON carries exactly', most + 1],
    ['a text', '100'],
    ['null', null],
  ])('%s', async (_what, amount) => {
    const { userId, accountId } = await customer();
    expect(await deposit(userId, { amount, currency: 'usd' })).toMatchObject({
      status: 422,
      body: { code: 'invalid_body', errors: [{ field: 'amount' }] },
    });
    expect(await standing(accountId)).toMatchObject({ balance: 0, movements: 0 });
  });

  test('another currency', async () => {
    const { userId, accountId } = await customer();
    expect(await deposit(userId, { amount: 1, currency: 'eur' })).toMatchObject({
      body: { code: 'currency_mismatch' },
    });
    expect(await standing(accountId)).toMatchObject({ movements: 0 });
  });

  test('more than an account takes over its life, also when most of it was spent', async () => {
    const { userId, accountId } = await customer();
    expect((await deposit(userId, usd(most))).status).toBe(201);
    await rows('update billing.accounts set balance = 5 where id = $1', [accountId]);
    expect(await deposit(userId, usd(1))).toMatchObject({ status: 422, body: { code: 'deposit_limit' } });
    expect(await standing(accountId)).toMatchObject({ balance: 5, movements: 1 });
  });

  test('no account yet', async () => {
    const { userId } = await customer({ balance: null });
    expect(await deposit(userId, usd(1))).toMatchObject({
      status: 404,
      headers: { 'retry-after': '1' },
      body: { code: 'account_not_open' },
    });
  });

  // promise: administrator-settings-neither-orders
  test('an administrator, who has no account and never will', async () => {
    const { userId, accountId } = await customer({ balance: 5 });
    const answer = await call(handle, usd(1), { userId, role: 'admin' });
    expect(answer).toMatchObject({ status: 403, body: { code: 'customers_only' } });
    expect(await standing(accountId)).toMatchObject({ balance: 5, movements: 1 });
  });

  // promise: owasp-api5
  test('no token, or no Idempotency-Key', async () => {
    const { userId } = await customer();
    expect(await call(handle, usd(1))).toMatchObject({ status: 401, body: { code: 'unauthenticated' } });
    expect(await deposit(userId, usd(1), '')).toMatchObject({
      status: 400,
      body: { code: 'idempotency_key_required' },
    });
  });
});
