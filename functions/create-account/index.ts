import { uuidv7 } from 'uuidv7';
import { accountOpened } from '#events/account-opened.ts';
import { userRegistered } from '#events/user-registered.ts';
import { batch, decideOnce } from '#platform/database/batch.ts';
import { onEvent } from '#platform/events/on-event.ts';
import { findAccounts, insertAccounts, type BillingAccount } from './queries.ts';

/** Opens a customer's billing account, exactly one: a repeat returns the account that is open already. */
const openAccount = batch<string, BillingAccount>({
  key: (userId) => userId,
  run: async (userIds) => {
    const accounts = await decideOnce<string, BillingAccount>(
      userIds,
      (userId) => userId,
      (account) => account.userId,
      (wanted) => insertAccounts(wanted.map((userId) => ({ id: uuidv7(), userId }))),
      findAccounts,
    );
    return userIds.map((userId) => accounts.get(userId) ?? new Error('the account was neither inserted nor found'));
  },
});

/** Opens the billing account of a customer who registered. */
export const handle = onEvent(userRegistered, async ({ userId }) => {
  const { id, currency, openedAt } = await openAccount(userId);
  return accountOpened.create({ accountId: id, userId, currency }, openedAt);
});
