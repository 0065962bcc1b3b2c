import { many, statement } from '#platform/database/database.ts';

export interface BillingAccount {
  id: string;
  userId: string;
  currency: string;
  openedAt: Date;
}

const insert = statement<BillingAccount>(
  'create-account.insert',
  `
  insert into billing.accounts (id, user_id)
  select wanted.id, wanted.user_id
    from unnest($1::uuid[], $2::uuid[]) as wanted (id, user_id)
   order by wanted.user_id
  on conflict do nothing
  returning id, user_id as "userId", currency, opened_at as "openedAt"`,
);

/** Opens accounts; returns those that did not exist yet. */
export const insertAccounts = (accounts: { id: string; userId: string }[]) =>
  many(insert, [accounts.map(({ id }) => id), accounts.map(({ userId }) => userId)]);

const find = statement<BillingAccount>(
  'create-account.find',
  `
  select id, user_id as "userId", currency, opened_at as "openedAt"
    from billing.accounts
   where user_id = any ($1::uuid[])`,
);

/** The accounts of these users. */
export const findAccounts = (userIds: string[]) => many(find, [userIds]);
