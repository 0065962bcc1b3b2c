import { setTimeout as wait } from 'node:timers/promises';
import { z } from 'zod';
import { inBackground, repeat } from '#platform/runtime/background.ts';
import { isBrokerAway, sendToBroker } from '#platform/events/broker-client.ts';
import { many, statement } from '#platform/database/database.ts';
import { fullScan, poll } from '#platform/events/poll.ts';
import type { ShopEvent } from '#platform/events/event.ts';
import { log } from '#platform/telemetry/log.ts';
import '#platform/events/outbox-depth.ts';
import { settings } from '#platform/runtime/settings.ts';
import { signed } from '#platform/events/signature.ts';
import { beginSpan, endSpan, traceparentOf } from '#platform/telemetry/trace.ts';

// Chains that this process has open at the broker at once. More of them would only wait there, and those that wait
// for longer than their row has time would be published again.
const maxInFlight = 128;
const inFlight = new Set<string>();
const queue: (() => void)[] = [];
let free = maxInFlight;

// in a process of its own a function leaves the chains of others to them for a while; null: all functions are in here
const { K_SERVICE } = settings({ K_SERVICE: z.string().optional() });
const ownSource = K_SERVICE === undefined ? null : `/shop/${K_SERVICE}`;

/**
 * Publishes an event in the background. Its outbox row must be committed: if this attempt is lost, by whatever,
 * the row is still there, comes due and is published again.
 * Resolves once it is on its way, or has been left to its row because the broker has had no room for `timeoutMs`:
 * callers who wait for it cannot order faster than the shop decides.
 */
export function publish(event: ShopEvent, timeoutMs = 1_000): Promise<void> {
  return attempt(event, timeoutMs, 1);
}

async function attempt(event: ShopEvent, timeoutMs: number, time: number): Promise<void> {
  // a broker that answers at the end of a chain has it still in hand: repeating it would only add to its load
  if (inFlight.has(event.id)) return;
  inFlight.add(event.id);
  if (!(await room(timeoutMs))) {
    inFlight.delete(event.id);
    return;
  }
  const span = beginSpan(`publish ${event.type}`, {
    kind: 'PRODUCER',
    parent: event.traceparent,
    attributes: { 'messaging.message.id': event.id },
  });
  const traceparent = traceparentOf(span);
  const sent = sendToBroker(signed(traceparent === undefined ? event : { ...event, traceparent }))
    .then(
      () => endSpan(span),
      (error: unknown) => {
        endSpan(span, 'not published');
        log.debug({ err: error, event: event.id }, 'not published, the outbox will repeat it');
        // what a broker had in hand when it ended it has lost: it need not wait until its row is due
        if (isBrokerAway(error) && time < 10) {
          inBackground(
            wait(Math.min(50 * time, 200)).then(() => attempt(event, 0, time + 1)),
            'publishing again',
          );
        }
      },
    )
    .finally(() => {
      inFlight.delete(event.id);
      const next = queue.shift();
      if (next) next();
      else free += 1;
    });
  inBackground(sent, 'publishing');
}

/** Waits for room at the broker, first come, first served; whether there was some in time. */
function room(timeoutMs: number): Promise<boolean> | boolean {
  if (free > 0) {
    free -= 1;
    return true;
  }
  return new Promise((resolve) => {
    const take = () => {
      clearTimeout(timer);
      resolve(true);
    };
    const timer = setTimeout(() => {
      queue.splice(queue.indexOf(take), 1);
      resolve(false);
    }, timeoutMs);
    queue.push(take);
  });
}

/** How many chains a look takes at most: when it has taken so many, there may be more. */
export const batchSize = 100;

const takeDue = statement<{ event: ShopEvent }>(
  'outbox.take_due',
  `
  with due as (
    select id
      from events.outbox
     -- now(), which the index can be searched by: in an outage most of the table waits for later
     where due_at < now()
       and due_at > now() - $2::interval
       -- its publisher knows best whether a chain is still under way; the others step in when it does not look
       and ($1::text is null or event ->> 'source' = $1::text or due_at < now() - interval '2 seconds')
     order by due_at
     limit ${batchSize}
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
   -- an array, not a join: for a planner that has seen the table empty, as it is mostly, a join may walk through all of it
   where o.id = any (array(select id from due))
  returning o.event`,
);

/** Takes what is due, at most `batchSize` chains, and publishes their first events again. Gives their number. */
export async function republishDue(interval = fullScan): Promise<number> {
  const rows = await many(takeDue, [ownSource, interval]);
  // each waits for its turn, and the next look for all of them
  await Promise.all(rows.map(({ event }) => publish(event, 10_000)));
  return rows.length;
}

/** Every process that publishes looks for what is due, at its start and every half second. */
export const relay = repeat(
  500,
  'the look into the outbox',
  poll(async (interval) => (await republishDue(interval)) < batchSize),
);
