import { z } from 'zod';
import { line } from '#platform/values/text.ts';
import { uuid } from '#platform/values/uuid.ts';
import { defineRoutes, named, pageOf, paging } from './route.ts';

const status = z.enum(['parked', 'replaying', 'done']);
const typeOfEvent = line.min(1).max(1_024);

const deadLetter = named(
  'DeadLetter',
  z.object({
    id: uuid,
    status,
    verified: z.boolean().meta({ description: 'Whether the shop itself published it.' }),
    reason: z.string(),
    detail: z.string(),
    source: z.string(),
    eventId: z.string(),
    type: z.string(),
    subject: z.string().nullable(),
    correlationId: z.string().nullable(),
    times: z.int().positive().meta({ description: 'How often it was parked.' }),
    ageSeconds: z.int().nonnegative().meta({ description: 'Since it was first parked.' }),
    firstParkedAt: z.iso.datetime(),
    lastParkedAt: z.iso.datetime(),
    replayedAt: z.iso.datetime().nullable(),
  }),
);

const deadLetterWithEvent = named(
  'DeadLetterWithEvent',
  deadLetter.extend({ event: z.looseObject({ id: z.string() }) }),
);

/** The query of the list of dead letters. */
export const deadLettersQuery = paging.extend({
  type: typeOfEvent.optional().meta({ description: 'Only events of this type.' }),
  status: status.optional(),
});

/** Which dead letters are replayed, and how fast. */
export const newReplay = named(
  'NewReplay',
  z.strictObject({
    type: typeOfEvent.optional().meta({ description: 'Only events of this type.' }),
    rate: z.int().min(1).max(100).default(10).meta({ description: 'Events per second.' }),
  }),
);

const count = z.int().nonnegative();

const bulkReplay = named(
  'BulkReplay',
  z.object({
    startedAt: z.iso.datetime().nullable(),
    endsAt: z.iso.datetime().nullable().meta({ description: 'When the last one comes due; null when all have.' }),
    total: count,
    waiting: count.meta({ description: 'Not due yet.' }),
    replaying: count,
    done: count,
    parked: count.meta({ description: 'Were refused again.' }),
  }),
);

const ledgerReport = named(
  'LedgerReport',
  z.object({
    balanced: z.boolean().meta({ description: 'There are no differences.' }),
    accounts: count,
    transfers: count,
    orders: count,
    differences: z
      .array(
        z.object({
          invariant: z.string().meta({ description: 'What must hold.' }),
          subject: z.string().meta({ description: 'The id of the account, transfer, order or deposit.' }),
          detail: z.string(),
        }),
      )
      .meta({ description: 'The first hundred.' }),
  }),
);

const ms = count.nullable().meta({ description: 'From acceptance to settlement; null if none was settled.' });

const stats = named(
  'Stats',
  z.object({
    seconds: count.meta({ description: 'The length of the period.' }),
    orders: count,
    decided: count.meta({ description: 'Of these, the paid and rejected ones.' }),
    medianMs: ms,
    p99Ms: ms,
    openChains: count.meta({ description: 'Chains of events that have not ended.' }),
  }),
);

export const adminRoutes = defineRoutes({
  listDeadLetters: {
    method: 'get',
    path: '/v1/admin/dead-letters',
    summary: 'Events that were parked',
    description:
      'The newest first, each with what was wrong with it. With a filter a page reads 1,000 of them at most, and may ' +
      'be shorter than asked for. There is more as long as it has a `nextCursor`.',
    access: 'admin',
    query: deadLettersQuery,
    responses: { 200: { description: 'A page of dead letters.', body: pageOf('DeadLetterPage', deadLetter) } },
  },
  getDeadLetter: {
    method: 'get',
    path: '/v1/admin/dead-letters/{id}',
    summary: 'One parked event',
    access: 'admin',
    responses: { 200: { description: 'The dead letter with its event.', body: deadLetterWithEvent } },
  },
  replayDeadLetter: {
    method: 'post',
    path: '/v1/admin/dead-letters/{id}/replay',
    summary: 'Replay a parked event',
    description: 'May be repeated. An event that the shop did not publish is sent once, as it was, and is not signed.',
    access: 'admin',
    function: 'replay-events',
    responses: {
      202: { description: 'The dead letter as it is now.', body: deadLetterWithEvent, headers: ['Location'] },
    },
    problems: ['not_replayable'],
  },
  startReplay: {
    method: 'post',
    path: '/v1/admin/dead-letters/replay',
    summary: 'Replay parked events',
    description: 'All that the shop itself published, or those of one type, at `rate` events a second.',
    access: 'admin',
    function: 'replay-events',
    body: newReplay,
    example: { type: 'shop.order.placed.v1', rate: 10 },
    responses: { 202: { description: 'The progress.', body: bulkReplay } },
  },
  getReplay: {
    method: 'get',
    path: '/v1/admin/dead-letters/replay',
    summary: 'Progress of the replay',
    access: 'admin',
    responses: { 200: { description: 'The newest one; all zero if there was none.', body: bulkReplay } },
  },
  stopReplay: {
    method: 'delete',
    path: '/v1/admin/dead-letters/replay',
    summary: 'Stop the replay',
    description: 'Events that are not due yet stay parked.',
    access: 'admin',
    function: 'replay-events',
    responses: { 200: { description: 'The result.', body: bulkReplay } },
  },
  verifyLedger: {
    method: 'get',
    path: '/v1/admin/ledger/verify',
    summary: 'Verify the ledger',
    description:
      'Compares balances, transfers, charges, orders, lines, deposits and notifications with each other, in steps and ' +
      'alongside the work of the shop. The last 15 minutes, which may still be in flight, are left out.',
    access: 'admin',
    responses: { 200: { description: 'What was compared, and the differences.', body: ledgerReport } },
  },
  getStats: {
    method: 'get',
    path: '/v1/admin/figures',
    summary: 'Throughput and latency of the last minute',
    access: 'admin',
    responses: { 200: { description: 'The orders of the last minute.', body: stats } },
  },
});
