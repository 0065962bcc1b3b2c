import { z } from 'zod';
import type { adminRoutes } from '#api/admin.ts';
import type { Clock } from '#platform/database/clock.ts';
import type { Database } from '#platform/database/database.ts';
import type { FunctionResponse } from '#platform/events/on-event.ts';
import { Problem } from '#platform/http/problem.ts';
import { position } from '../http/paging.ts';
import type { RouteHandlers } from '../http/routes.ts';
import { findBulkReplay, findDeadLetter, findDeadLetters } from './dead-letters.ts';
import { findStats } from './stats.ts';
import { createVerification } from './verify.ts';

interface Parts {
  database: Database;
  clock: Pick<Clock, 'now'>;
}

/** The routes of the administrator. replay-events replays and stops; the storefront then reads the result. */
export function adminHandlers({ database, clock }: Parts): RouteHandlers<typeof adminRoutes> {
  const verify = createVerification(database);
  return {
    listDeadLetters: ({ query: { type = null, status = null }, page }) =>
      findDeadLetters(database, { type, status }, page(position)),

    getDeadLetter: async ({ id, notFound }) => (await findDeadLetter(database, id)) ?? notFound(),

    replayDeadLetter: async ({ id, forward, response, notFound }) =>
      after(await forward({ action: 'replay', id }), async () => {
        response.location(`/v1/admin/dead-letters/${id}`);
        return (await findDeadLetter(database, id)) ?? notFound();
      }),

    startReplay: async ({ request, forward }) => {
      const body = z.record(z.string(), z.unknown()).safeParse(request.body);
      if (!body.success) throw new Problem('invalid_body', 'Send an object, {} to replay everything that is parked.');
      return after(await forward({ ...body.data, action: 'replay-all' }), () => findBulkReplay(database));
    },

    getReplay: () => findBulkReplay(database),

    stopReplay: async ({ forward }) => after(await forward({ action: 'stop' }), () => findBulkReplay(database)),

    verifyLedger: () => verify(),

    getStats: () => findStats(database, clock.now()),
  };
}

/** The response of a function that refused; otherwise what `read` returns. */
const after = (response: FunctionResponse, read: () => unknown): unknown =>
  response.statusCode >= 300 ? response : read();
