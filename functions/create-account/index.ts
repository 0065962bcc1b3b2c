import { uuidv7 } from 'uuidv7';
import { accountOpened } from '#events/account-opened.ts';
import { userRegistered } from '#events/user-registered.ts';
import { batch, decideOnce } from '#platform/database/batch.ts';
import { onEvent } from '#platform/events/on-event.ts';
import { findAccounts, insertAccounts, type BillingAccount } from './queries.ts';

/** Opens the billing account of a customer who registered, exactly one: a repetition returns the same account. */
export const handle = onEvent(userRegistered, ({ database }) => {
  const openAccount = batch<string, BillingAccount>({
    key: (userId) => userId,
    run: async (userIds) => {
      const accounts = await decideOnce<string, BillingAccount>({
        database,
        items: userIds,
        keyOf: (userId) => userId,
        rowKeyOf: (account) => account.userId,
        decide: (_, wanted) =>
          insertAccounts(
            database,
            wanted.map((userId) => ({ id: uuidv7(), userId })),
          ),
        reread: findAccounts,
      });
      return userIds.map((userId) => accounts.get(userId) ?? new Error('the account was neither inserted nor found'));
    },
  });

  return async ({ userId }) => {
    const { id, currency, openedAt } = await openAccount(userId);
    return accountOpened.create({ accountId: id, userId, currency }, openedAt);
  };
});
