import { many, statement } from '#platform/database/database.ts';
import type { TimelineEntry } from './timeline.ts';

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

const producers = ['create-order', 'charge-account', 'cancel-order', 'refund-charge', 'settle-order'];
const facts = [
  ...['placed', 'succeeded', 'declined', 'paid', 'rejected'],
  ...['cancel_requested', 'refunded', 'voided', 'canceled'],
];

/**
 * What the delivery of an order's events met: `event.parked`, `event.replayed`, and `event.due` for a chain that was
 * published again and has not ended, at the time of its next repeat.
 */
export async function findDeliveries(orderId: string): Promise<TimelineEntry[]> {
  const [open, letters] = await Promise.all([
    many(unended, [[`${orderId}.placed`, `${orderId}.cancel_requested`]]),
    many(parked, [producers.map((name) => `/shop/${name}`), facts.map((fact) => `${orderId}.${fact}`)]),
  ]);
  return [...letters.flatMap(parking), ...open.map(due)];
}

function due({ id, attempts, dueAt }: Unended): TimelineEntry {
  const [type, by] = id.endsWith('.placed')
    ? ['shop.order.placed.v1', 'create-order']
    : ['shop.order.cancel_requested.v1', 'cancel-order'];
  const detail = { event: type, repeats: attempts };
  return { at: dueAt, type: 'event.due', function: by, id, correlationId: id, detail };
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
  const moments = [parkedAt(firstParkedAt)];
  if (replayedAt) {
    moments.push({ at: replayedAt, type: 'event.replayed', function: 'replay-events', ...of, detail: { event: type } });
    if (lastParkedAt > replayedAt) moments.push(parkedAt(lastParkedAt));
  }
  return moments;
}
