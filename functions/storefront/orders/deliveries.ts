import { orderCancelRequested } from '#events/order-cancel-requested.ts';
import { orderPlaced } from '#events/order-placed.ts';
import { statement, type Database } from '#platform/database/database.ts';
import { eventIdOf } from '#platform/events/event.ts';
import { orderEvents, type TimelineEntry } from './timeline.ts';

interface Unended {
  id: string;
  attempts: number;
  dueAt: Date;
}

const unended = statement<Unended>(
  'storefront.unended_chains',
  `
  select id, attempts, due_at as "dueAt"
    from events.outbox
   where id = any ($1::text[])
     and attempts > 0`,
);

interface Parked {
  eventId: string;
  type: string;
  correlationId: string;
  reason: string;
  times: number;
  firstParkedAt: Date;
  lastParkedAt: Date;
  replayedAt: Date | null;
}

// by source and id, because that is what their unique key begins with
const parked = statement<Parked>(
  'storefront.parked_of_order',
  `
  select event_id as "eventId", type, correlation_id as "correlationId", reason, times,
         first_parked_at as "firstParkedAt", last_parked_at as "lastParkedAt", replayed_at as "replayedAt"
    from events.dead_letters
   where verified
     and source = any ($1::text[])
     and event_id = any ($2::text[])`,
);

/**
 * What the delivery of an order's events met: `event.parked`, `event.replayed`, and `event.due` for a chain that was
 * published again and has not ended, at the time of its next repetition.
 */
export async function findDeliveries({ many }: Database, orderId: string): Promise<TimelineEntry[]> {
  const [open, deadLetters] = await Promise.all([
    many(unended, [chains.map((event) => eventIdOf(event, orderId))]),
    many(parked, [
      [...new Set(orderEvents.map(({ source }) => source))],
      [...new Set(orderEvents.map((event) => eventIdOf(event, orderId)))],
    ]),
  ]);
  return [...deadLetters.flatMap(parking), ...open.flatMap((chain) => due(orderId, chain))];
}

const chains = [orderPlaced, orderCancelRequested];

function due(orderId: string, { id, attempts, dueAt }: Unended): TimelineEntry[] {
  return chains
    .filter((event) => eventIdOf(event, orderId) === id)
    .map(({ type, producer }) => ({
      at: dueAt,
      type: 'event.due',
      function: producer,
      id,
      correlationId: id,
      detail: { event: type, repeats: attempts },
    }));
}

function parking({ eventId, type, correlationId, reason, times, ...when }: Parked): TimelineEntry[] {
  const of = { id: eventId, correlationId };
  const parkedAt = (at: Date): TimelineEntry => ({
    at,
    type: 'event.parked',
    function: 'park-event',
    ...of,
    detail: { event: type, reason, times },
  });
  const { firstParkedAt, lastParkedAt, replayedAt } = when;
  const entries = [parkedAt(firstParkedAt)];
  if (replayedAt) {
    entries.push({ at: replayedAt, type: 'event.replayed', function: 'replay-events', ...of, detail: { event: type } });
    if (lastParkedAt > replayedAt) entries.push(parkedAt(lastParkedAt));
  }
  return entries;
}
