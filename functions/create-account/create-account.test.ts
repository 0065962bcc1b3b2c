import { expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { userRegistered } from '#events/user-registered.ts';
import { deliver, eventOf } from '#test/support/calls.ts';
import { connection, row, rows, useDatabase, waitingForLock } from '#test/support/database.ts';
import { customer, standing } from '#test/support/fixtures.ts';
import { handle } from './index.ts';

useDatabase();

const open = (userId: string) => deliver(handle, eventOf(userRegistered, { userId }));
const accountsOf = (userId: string) =>
  rows<{ id: string }>('select id from billing.accounts where user_id = $1', [userId]);

test('opens an empty account for a new customer', async () => {
  const { userId } = await customer({ balance: null });
  const { status, event } = await open(userId);
  const [account] = await accountsOf(userId);
  expect(status).toBe(200);
  expect(event).toMatchObject({ type: 'shop.account.opened.v1', id: `${account?.id}.opened`, subject: account?.id });
  expect(event?.data).toEqual({ accountId: account?.id, userId, currency: 'usd' });
  expect(await standing(account?.id ?? '')).toEqual({ balance: 0, version: 0, movements: 0 });
});

// promise: registration
test('opens one account when the event is delivered again, and many times at once', async () => {
  const { userId } = await customer({ balance: null });
  const replies = await Promise.all([1, 2, 3, 4, 5].map(() => open(userId)));
  const again = await open(userId);
  expect(await accountsOf(userId)).toHaveLength(1);
  expect(new Set([...replies, again].map(({ event }) => event?.id)).size).toBe(1);
});

test('leaves the balance as it is when the event comes again after a deposit', async () => {
  const { userId, accountId } = await customer({ balance: 700 });
  expect((await open(userId)).event?.data).toMatchObject({ accountId });
  expect(await standing(accountId)).toEqual({ balance: 700, version: 1, movements: 1 });
});

test('replies with the account that another process is opening, and opens no second one', async () => {
  const { userId } = await customer({ balance: null });
  const id = uuidv7();
  const other = await connection();
  await other.query('begin');
  await other.query('insert into billing.accounts (id, user_id) values ($1, $2)', [id, userId]);
  const reply = open(userId);
  await waitingForLock();
  await other.query('commit');
  expect((await reply).event?.data).toMatchObject({ accountId: id });
  expect(await row('select count(*) from billing.accounts where user_id = $1', [userId])).toEqual({ count: 1 });
});

test('refuses an event without a user’s id', async () => {
  expect(await open('no id')).toMatchObject({ status: 400, problem: { code: 'bad_event' } });
});
