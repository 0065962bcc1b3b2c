import { z } from 'zod';
import { line } from '#platform/values/text.ts';
import { uuid } from '#platform/values/uuid.ts';
import { named, pageOf, paging, type Route } from './route.ts';

const status = z.enum(['parked', 'replaying', 'done']);
const typeOfEvent = line.min(1).max(1_024);

const deadLetter = named(
  'DeadLetter',
  z.object({
    id: uuid,
    status,
    verified: z.boolean().meta({ description: 'Whether the shop itself had published it.' }),
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

/** Which letters are replayed, and how fast. */
export const newReplay = named(
  'NewReplay',
  z.strictObject({
    type: typeOfEvent.optional().meta({ description: 'Only events of this type.' }),
    rate: z.int().min(1).max(100).default(10).meta({ description: 'Events a second.' }),
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
    parked: count.meta({ description: 'Came back.' }),
  }),
);

const ledgerReport = named(
  'LedgerReport',
  z.object({
    balanced: z.boolean().meta({ description: 'Nothing differs.' }),
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

const ms = count.nullable().meta({ description: 'From acceptance to decision; null if none was decided.' });

const figures = named(
  'Stats',
  z.object({
    seconds: count.meta({ description: 'Of how long these orders are.' }),
    orders: count,
    decided: count.meta({ description: 'Of these, those that were paid or rejected.' }),
    medianMs: ms,
    p99Ms: ms,
    openChains: count.meta({ description: 'Chains of events that have not ended.' }),
  }),
);

export const adminRoutes: Route[] = [
  {
    method: 'get',
    path: '/v1/admin/dead-letters',
    summary: 'Events that were parked',
    description:
      'The newest first, each with what was wrong with it. With a filter a page reads 1,000 of them at most, and may ' +
      'be shorter than asked for. There is more as long as it has a `nextCursor`.',
    who: 'admin',
    query: deadLettersQuery,
    answers: { 200: { description: 'A page of dead letters.', body: pageOf('DeadLetterPage', deadLetter) } },
  },
  {
    method: 'get',
    path: '/v1/admin/dead-letters/{id}',
    summary: 'One parked event',
    who: 'admin',
    answers: { 200: { description: 'The letter with its event.', body: deadLetterWithEvent } },
  },
  {
    method: 'post',
    path: '/v1/admin/dead-letters/{id}/replay',
    summary: 'Replay a parked event',
    description: 'May be repeated. What was not published by the shop is sent once, as it was, and never signed.',
    who: 'admin',
    answers: { 202: { description: 'The letter as it is now.', body: deadLetterWithEvent, headers: ['Location'] } },
    problems: ['not_replayable'],
  },
  {
    method: 'post',
    path: '/v1/admin/dead-letters/replay',
    summary: 'Replay what is parked',
    description: 'All that the shop itself had published, or those of one type, at so many events a second.',
    who: 'admin',
    body: newReplay,
    example: { type: 'shop.order.placed.v1', rate: 10 },
    answers: { 202: { description: 'How far it is.', body: bulkReplay } },
  },
  {
    method: 'get',
    path: '/v1/admin/dead-letters/replay',
    summary: 'How far the replay is',
    who: 'admin',
    answers: { 200: { description: 'The newest one; all zero if there was none.', body: bulkReplay } },
  },
  {
    method: 'delete',
    path: '/v1/admin/dead-letters/replay',
    summary: 'Stop the replay',
    description: 'What is not due yet stays parked.',
    who: 'admin',
    answers: { 200: { description: 'What became of it.', body: bulkReplay } },
  },
  {
    method: 'get',
    path: '/v1/admin/ledger/verify',
    summary: 'Verify the ledger',
    description:
      'Compares balances, transfers, charges, orders, lines, deposits and notifications with each other, in steps and ' +
      'beside the work of the shop. What may still be in flight is left out: the last 15 minutes.',
    who: 'admin',
    answers: { 200: { description: 'What was compared, and what differs.', body: ledgerReport } },
  },
  {
    method: 'get',
    path: '/v1/admin/figures',
    summary: 'How much the shop does, and how fast',
    who: 'admin',
    answers: { 200: { description: 'The orders of the last minute.', body: figures } },
  },
];
