import type { userRoutes } from '#api/users.ts';
import { statement, type Database } from '#platform/database/database.ts';
import type { Limits } from '../http/limits.ts';
import { forwardedHeaders, type RouteHandlers } from '../http/routes.ts';
import type { CallFunction } from '#platform/http/function-client.ts';

const user = statement<{ id: string; email: string; name: string; createdAt: Date }>(
  'storefront.user',
  `
  select id, email, name, created_at as "createdAt"
    from users.users
   where id = $1::uuid`,
);

interface Parts {
  database: Database;
  callFunction: CallFunction;
  limits: Limits;
}

export const userHandlers = ({
  database: { maybeOne },
  callFunction,
  limits,
}: Parts): RouteHandlers<typeof userRoutes> => ({
  getUser: async ({ caller, notFound }) => (await maybeOne(user, [caller.id])) ?? notFound(),

  logIn: ({ request }) =>
    limits.judged(request, (isSuspect) => {
      const headers = { ...forwardedHeaders(request), ...(isSuspect && { 'x-priority': 'low' }) };
      return callFunction('log-in', { headers, body: request.body as unknown });
    }),
});
