import { uuidv7 } from 'uuidv7';
import { accountOpened } from '#events/account-opened.ts';
import { userRegistered } from '#events/user-registered.ts';
import { batch, decideOnce } from '#platform/database/batch.ts';
import { onEvent } from '#platform/events/on-event.ts';
import { findAccounts, insertAccounts, type Account } from './queries.ts';

/** Opens the billing account of a customer, exactly one: a repeat answers with the account that is there. */
const openAccount = batch<string, Account>({
  key: (userId) => userId,
  run: async (userIds) => {
    const accounts = await decideOnce<string, Account>(
      userIds,
      (userId) => userId,
      (account) => account.userId,
      (wanted) => insertAccounts(wanted.map((userId) => ({ id: uuidv7(), userId }))),
      findAccounts,
    );
    return userIds.map((userId) => accounts.get(userId) ?? new Error('the account is neither new nor there'));
  },
});

export const handle = onEvent(userRegistered, async ({ userId }) => {
  const { id, currency, openedAt } = await openAccount(userId);
  return accountOpened.create({ accountId: id, userId, currency }, openedAt);
});
