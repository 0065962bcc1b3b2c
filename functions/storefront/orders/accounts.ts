import { z } from 'zod';
import type { accountRoutes } from '#api/accounts.ts';
import { statement, type Database } from '#platform/database/database.ts';
import { Problem } from '#platform/http/problem.ts';
import { page } from '../http/paging.ts';
import type { RouteHandlers } from '../http/routes.ts';

const account = statement<{ id: string; balance: number; currency: string; version: number; openedAt: Date }>(
  'storefront.account',
  `
  select id, balance::bigint, currency, version, opened_at as "openedAt"
    from billing.accounts
   where user_id = $1::uuid`,
);

interface Entry {
  id: string;
  kind: 'deposit' | 'charge' | 'refund';
  amount: number;
  balance: number;
  version: number;
  orderId: string | null;
  createdAt: Date;
}

const entries = statement<Entry>(
  'storefront.entries',
  `
  select t.id, t.kind, case t.kind when 'charge' then -t.amount::bigint else t.amount::bigint end as amount,
         t.balance_after::bigint as balance, t.account_version as version, t.order_id as "orderId",
         t.created_at as "createdAt"
    from billing.accounts a
    join billing.transfers t on t.account_id = a.id
   where a.user_id = $1::uuid
     and t.account_version < coalesce($2::bigint, 9223372036854775807)
   order by t.account_version desc
   limit $3::int`,
);

export const accountHandlers = ({ maybeOne, many }: Database): RouteHandlers<typeof accountRoutes> => ({
  getAccount: async ({ caller }) => {
    const found = await maybeOne(account, [caller.id]);
    if (!found) throw new Problem('account_not_open', 'It opens soon after registration.', { retryAfterSeconds: 1 });
    return found;
  },

  listEntries: async ({ caller, page: requested }) => {
    const wanted = requested(z.int().min(1));
    return page(await many(entries, [caller.id, wanted.after, wanted.limit + 1]), wanted, ({ version }) => version);
  },
});
