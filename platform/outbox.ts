import { inBackground, repeat } from '#platform/background.ts';
import { sendToBroker } from '#platform/broker-client.ts';
import { many, statement } from '#platform/database.ts';
import type { ShopEvent } from '#platform/event.ts';
import { log } from '#platform/log.ts';
import { signed } from '#platform/signature.ts';

// What waits in memory is bounded; the rest waits in the table.
const maxInMemory = 5_000;
let inMemory = 0;

/**
 * Publishes an event in the background. Its outbox row must be committed: if this attempt is lost, by whatever,
 * the row is still there, comes due and is published again.
 */
export function publish(event: ShopEvent): void {
  if (inMemory >= maxInMemory) return;
  inMemory += 1;
  const attempt = sendToBroker(signed(event))
    .catch((error: unknown) => log.debug({ err: error, event: event.id }, 'not published, the outbox will repeat it'))
    .finally(() => {
      inMemory -= 1;
    });
  inBackground(attempt, 'publishing');
}

const takeDue = statement<{ event: ShopEvent }>(
  'outbox.take_due',
  `
  with due as (
    select id
      from events.outbox
     where due_at < clock_timestamp()
     order by due_at
     limit 100
       -- every publishing process looks: one row is taken by one of them
       for update skip locked
  )
  update events.outbox o
     set attempts = attempts + 1,
         due_at = clock_timestamp() + case
           when attempts < 5 then interval '1 second'
           when attempts < 25 then interval '5 seconds'
           else least(interval '10 minutes', interval '5 seconds' * 2 ^ least(attempts - 24, 10))
         end
    from due
   where o.id = due.id
  returning o.event`,
);

/** Takes what is due, at most 100 chains, and publishes their first events again. Gives their number. */
export async function republishDue(): Promise<number> {
  const rows = await many(takeDue);
  for (const { event } of rows) publish(event);
  return rows.length;
}

/** Every process that publishes looks for what is due, at its start and every half second. */
export const relay = repeat(500, 'the look into the outbox', republishDue);
