import { setTimeout as wait } from 'node:timers/promises';
import { statement, type Database } from '#platform/database/database.ts';
import { isBrokerAway, type BrokerClient } from '#platform/events/broker-client.ts';
import type { ShopEvent } from '#platform/events/event.ts';
import { createOpenChains } from '#platform/events/open-chains.ts';
import { measureOutbox } from '#platform/events/outbox-depth.ts';
import { createPoll, fullScan, type ScanInterval } from '#platform/events/poll.ts';
import type { Signer } from '#platform/events/signature.ts';
import type { Tasks } from '#platform/runtime/tasks.ts';
import { log } from '#platform/telemetry/log.ts';
import { publications } from '#platform/telemetry/metrics.ts';
import { beginSpan, endSpan, traceparentOf } from '#platform/telemetry/trace.ts';

// A broker that responds at the end of a chain may take as long as its deliveries; one that stores the event responds in
// milliseconds, or is failing over.
const chainTimeoutMs = 10_000;
const durableTimeoutMs = 3_000;

/** How many chains a poll takes at most. */
const batchSize = 100;

/** When a chain is due again, by how often it was published. The first time is the default of `events.outbox.due_at`: 1 s. */
const retryAfter = `case
           when attempts < 5 then interval '1 second'
           when attempts < 25 then interval '5 seconds'
           else least(interval '10 minutes', interval '5 seconds' * 2 ^ least(attempts - 24, 10))
         end`;

const takeDue = statement<{ event: ShopEvent }>(
  'outbox.take_due',
  `
  with due as (
    select id
      from events.outbox
     -- now(), which the index can be searched by: in an outage most of the table is due later
     where due_at < now()
       and due_at > now() - $2::interval
       -- its publisher knows whether a chain is still in flight; the others take over when it does not poll
       and ($1::text is null or event ->> 'source' = $1::text or due_at < now() - interval '2 seconds')
     order by due_at
     limit $3
       -- every publishing process polls: one row is taken by one of them
       for update skip locked
  )
  update events.outbox o
     set attempts = attempts + 1,
         due_at = clock_timestamp() + ${retryAfter}
   -- an array, not a join: for a planner that has seen the table empty, which is its usual state, a join may walk through all of it
   where o.id = any (array(select id from due))
  returning o.event`,
);

/** Publishes the first events of chains, whose rows in the outbox are committed already. */
export interface Outbox {
  /**
   * Publishes an event in the background. If this attempt is lost, for whatever reason, its row is still there, comes due
   * and is published again. Resolves once the event is in flight, or has been left to its row because the broker has had no
   * capacity for `timeoutMs`: a caller that waits for it cannot order faster than the shop settles.
   */
  publish(event: ShopEvent, timeoutMs?: number): Promise<void>;
  /**
   * Takes up to `batchSize` due chains, and no more than there are slots for: a chain that is taken counts as published.
   * Publishes their first events again; returns their number.
   */
  republishDue(interval?: ScanInterval): Promise<number>;
}

interface Options {
  /** The process: `shop`, where it serves all functions. */
  name: string;
  database: Database;
  broker: BrokerClient;
  signer: Signer;
  tasks: Tasks;
}

/** The outbox of a process; its poll, every half second, is registered with `tasks`. */
export function createOutbox({ name, database, broker, signer, tasks }: Options): Outbox {
  const openChains = createOpenChains(database, () => {
    serveQueue();
    return queue.length > 0;
  });
  const inFlight = new Set<string>();
  // left to their rows before they were ever published
  const unpublished = new Set<string>();
  const queue: (() => void)[] = [];
  // chains in flight at the broker: without a response, or open after the response of a durable one
  let used = 0;
  // a function in its own process leaves the chains of other functions to them for a while
  const ownSource = name === 'shop' ? null : `/shop/${name}`;

  async function attempt(event: ShopEvent, timeoutMs: number, time: number, isRepeated: boolean): Promise<void> {
    const { id } = event;
    // a broker that still has the chain: repeating the event would only add to its load
    if (inFlight.has(id)) return;
    inFlight.add(id);
    openChains.forget(id);
    if (!(await slot(timeoutMs))) {
      inFlight.delete(id);
      if (!isRepeated && unpublished.size < 10_000) unpublished.add(id);
      return;
    }
    publications.inc({ function: name, attempt: isRepeated && !unpublished.has(id) ? 'repeated' : 'first' });
    unpublished.delete(id);
    const publishedAt = performance.now();
    const span = beginSpan(`publish ${event.type}`, {
      kind: 'PRODUCER',
      parent: event.traceparent,
      attributes: { 'messaging.message.id': id },
    });
    const traceparent = traceparentOf(span);
    const sent = broker
      .send(
        signer.sign(traceparent === undefined ? event : { ...event, traceparent }),
        openChains.isDurable() ? durableTimeoutMs : chainTimeoutMs,
      )
      .then(
        () => {
          endSpan(span);
          inFlight.delete(id);
          openChains.accepted(id, publishedAt, release);
        },
        (error: unknown) => {
          endSpan(span, 'not published');
          log.debug({ err: error, event: id }, 'not published, the outbox will repeat it');
          inFlight.delete(id);
          release();
          // a broker that ended has lost what it had: the event need not wait until its row is due
          if (isBrokerAway(error) && time < 10) {
            tasks.run(
              wait(Math.min(50 * time, 200)).then(() => attempt(event, 0, time + 1, true)),
              'publishing again',
            );
          }
        },
      );
    tasks.run(sent, 'publishing');
  }

  function release(): void {
    used -= 1;
    serveQueue();
  }

  const freeSlots = () => Math.max(openChains.limit() - used, 0);

  function serveQueue(): void {
    while (freeSlots() > 0 && queue.length > 0) queue.shift()?.();
  }

  /** Waits for a slot at the broker, first come, first served; resolves to whether there was one in time. */
  function slot(timeoutMs: number): Promise<boolean> | boolean {
    if (freeSlots() > 0) {
      used += 1;
      return true;
    }
    openChains.checkSoon();
    return new Promise((resolve) => {
      const take = () => {
        clearTimeout(timer);
        used += 1;
        resolve(true);
      };
      const timer = setTimeout(() => {
        queue.splice(queue.indexOf(take), 1);
        resolve(false);
      }, timeoutMs);
      queue.push(take);
    });
  }

  const publish = (event: ShopEvent, timeoutMs = 1_000) => attempt(event, timeoutMs, 1, false);

  /** Publishes due chains, as many as there are slots for, and waits for one if there is none; may leave some. */
  async function takeAndPublish(interval: ScanInterval): Promise<{ taken: number; leftSome: boolean }> {
    if (freeSlots() === 0) {
      if (!(await slot(10_000))) return { taken: 0, leftSome: true };
      release();
    }
    const most = Math.min(batchSize, Math.max(freeSlots(), 1));
    const rows = await database.many(takeDue, [ownSource, interval, most]);
    // each waits for its slot, and the next poll for all of them
    await Promise.all(rows.map(({ event }) => attempt(event, 10_000, 1, true)));
    return { taken: rows.length, leftSome: rows.length === most };
  }

  measureOutbox(database, name);
  // what the broker still has must not come due
  tasks.every(500, 'the check of the open chains', openChains.check);
  const poll = createPoll(async (interval) => !(await takeAndPublish(interval)).leftSome);
  tasks.every(500, 'the poll of the outbox', poll);
  return { publish, republishDue: async (interval = fullScan) => (await takeAndPublish(interval)).taken };
}
