import type { CloudEventV1 } from 'cloudevents';
import { many, maybeOne, statement } from '#platform/database/database.ts';
import type { ShopEvent } from '#platform/events/event.ts';

/** A letter that is replayed: ours goes through the outbox, a stranger's is only sent. */
export type Replayed =
  | { verified: true; event: ShopEvent; isOpened: boolean }
  | { verified: false; event: CloudEventV1<unknown>; body: Buffer | null; isOpened: false };

const replay = statement<Replayed>(
  'replay-events.replay',
  `
  with letter as (
    update events.dead_letters
       set replayed_at = clock_timestamp(),
           bulk_at = null
     where id = $1::uuid
    returning verified, correlation_id, event, body
  ), opened as (
    insert into events.outbox (id, event)
    select correlation_id, event
      from letter
     where verified
    on conflict (id) do update
       -- a bulk replay has scheduled it for later: its turn is now
       set due_at = excluded.due_at
     where outbox.attempts = 0
       and outbox.due_at > excluded.due_at
    returning id
  )
  select verified, event, body, exists (select from opened) as "isOpened"
    from letter`,
);

/**
 * Replays one dead letter. A verified one opens its chain again, with itself as the event to publish, or is published
 * now if a bulk replay had scheduled it for later; `isOpened` is false if the chain is open already.
 */
export const replayDeadLetter = (id: string) => maybeOne(replay, [id]);

const unsent = statement<{ id: string }>(
  'replay-events.unsent',
  `
  update events.dead_letters
     set replayed_at = null
   where id = $1::uuid
     and not verified
  returning id`,
);

/** Takes the replay of a stranger's letter back: the broker did not take it. */
export const markUnsent = (id: string) => maybeOne(unsent, [id]);

const replayAll = statement<{ id: string }>(
  'replay-events.replay_all',
  `
  with letters as materialized (
    select id, correlation_id, event, row_number() over (order by first_parked_at, id) - 1 as turn
      from (
        select *
          from events.dead_letters d
         where verified
           and (replayed_at is null or last_parked_at > replayed_at)
           and not exists (select from events.outbox o where o.id = d.correlation_id)
           and ($1::text is null or type = $1::text)
         order by first_parked_at, id
           -- what a statement does in its time
         limit 10000
           for update
      ) as parked
  ), running as (
    -- who starts another one while one runs adds to it, at its end, so that the rate is kept
    select min(d.bulk_at) as bulk_at, max(o.due_at) + interval '1 second' / $2::int as free_from
      from events.dead_letters d
      join events.outbox o on o.id = d.correlation_id
     where d.bulk_at is not null
       and o.attempts = 0
       and o.due_at > now()
  ), opened as (
    -- the day after which a chain is parked begins when it is first published
    insert into events.outbox (id, event, due_at, created_at)
    select correlation_id, event, due_at, due_at
      from letters
     cross join running
     cross join lateral (
       select greatest(now(), free_from) + turn * interval '1 second' / $2::int as due_at
     ) as scheduled
    on conflict do nothing
  )
  update events.dead_letters d
     set replayed_at = clock_timestamp(),
         bulk_at = coalesce(running.bulk_at, now())
    from letters
   cross join running
   where d.id = letters.id
  returning d.id`,
);

/** Opens the chains of all parked letters of ours again, of one type if it is given: so many a second come due. */
export const replayDeadLetters = (type: string | null, rate: number) => many(replayAll, [type, rate]);

const stop = statement<{ id: string }>(
  'replay-events.stop',
  `
  with letters as materialized (
    -- locked, and so seen as they are now: a replay of one of them takes it out of the bulk
    select d.id, d.correlation_id
      from events.outbox o
      join events.dead_letters d on d.correlation_id = o.id
     where o.attempts = 0
       and o.due_at > now()
       and d.bulk_at is not null
     order by d.id
       for update of d
  ), closed as (
    delete from events.outbox
     where id = any (array(select correlation_id from letters))
       and attempts = 0
       and due_at > clock_timestamp()
    returning id
  )
  update events.dead_letters d
     set replayed_at = null,
         bulk_at = null
    from letters
    join closed on closed.id = letters.correlation_id
   where d.id = letters.id
  returning d.id`,
);

/** Closes the chains that a bulk replay has opened and that are not due yet; gives their letters, parked as before. */
export const stopReplay = () => many(stop);
