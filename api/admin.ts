import { z } from 'zod';
import { named, pageOf, paging, type Route } from './route.ts';

const deadLetter = named(
  'DeadLetter',
  z.object({
    id: z.uuid(),
    status: z.enum(['parked', 'replaying', 'done']),
    verified: z.boolean().meta({ description: 'Whether the shop itself had published it.' }),
    reason: z.string(),
    detail: z.string(),
    source: z.string(),
    eventId: z.string(),
    type: z.string(),
    subject: z.string().nullable(),
    correlationId: z.string().nullable(),
    times: z.int().positive().meta({ description: 'How often it was parked.' }),
    firstParkedAt: z.iso.datetime(),
    lastParkedAt: z.iso.datetime(),
    replayedAt: z.iso.datetime().nullable(),
  }),
);

const count = z.int().nonnegative();

const ledgerReport = named(
  'LedgerReport',
  z.object({
    balanced: z.boolean(),
    accounts: count,
    transfers: count,
    differences: z.array(
      z.object({ accountId: z.uuid(), balance: z.int(), transferred: z.int(), version: count, movements: count }),
    ),
  }),
);

export const adminRoutes: Route[] = [
  {
    method: 'get',
    path: '/v1/admin/dead-letters',
    summary: 'Events that were parked',
    description: 'The newest first, each with what was wrong with it.',
    who: 'admin',
    query: paging,
    answers: { 200: { description: 'A page of dead letters.', body: pageOf('DeadLetterPage', deadLetter) } },
  },
  {
    method: 'get',
    path: '/v1/admin/ledger/verify',
    summary: 'Verify the ledger',
    description: 'Compares every balance with the sum of its transfers.',
    who: 'admin',
    answers: { 200: { description: 'What was compared, and what differs.', body: ledgerReport } },
  },
];
