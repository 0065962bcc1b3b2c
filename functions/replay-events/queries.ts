import type { CloudEventV1 } from 'cloudevents';
import { many, maybeOne, statement } from '#platform/database/database.ts';
import type { ShopEvent } from '#platform/events/event.ts';

/** A dead letter that is replayed: a verified one goes through the outbox, an unverified one is only sent. */
export type Replayed =
  | { verified: true; event: ShopEvent; isOpened: boolean }
  | { verified: false; event: CloudEventV1<unknown>; body: Buffer | null; isOpened: false };

const replay = statement<Replayed>(
  'replay-events.replay',
  `
  with replayed as (
    update events.dead_letters
       set replayed_at = clock_timestamp(),
           bulk_at = null
     where id = $1::uuid
    returning verified, correlation_id, event, body
  ), opened as (
    insert into events.outbox (id, event)
    select correlation_id, event
      from replayed
     where verified
    on conflict (id) do update
       -- a bulk replay has scheduled it for later: it is due now
       set due_at = excluded.due_at
     where outbox.attempts = 0
       and outbox.due_at > excluded.due_at
    returning id
  )
  select verified, event, body, exists (select from opened) as "isOpened"
    from replayed`,
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

/** Undoes the replay of an unverified dead letter that the broker did not accept. */
export const markUnsent = (id: string) => maybeOne(unsent, [id]);

const replayAll = statement<{ id: string }>(
  'replay-events.replay_all',
  `
  with chosen as materialized (
    select id, correlation_id, event, row_number() over (order by first_parked_at, id) - 1 as turn
      from (
        select *
          from events.dead_letters d
         where verified
           and (replayed_at is null or last_parked_at > replayed_at)
           and not exists (select from events.outbox o where o.id = d.correlation_id)
           and ($1::text is null or type = $1::text)
         order by first_parked_at, id
           -- as many as a statement handles before its timeout
         limit 10000
           for update
      ) as parked
  ), running as (
    -- a replay that starts while one is running is appended to it, so that the rate holds
    select min(d.bulk_at) as bulk_at, max(o.due_at) + interval '1 second' / $2::int as free_from
      from events.dead_letters d
      join events.outbox o on o.id = d.correlation_id
     where d.bulk_at is not null
       and o.attempts = 0
       and o.due_at > now()
  ), opened as (
    -- the day after which a chain is parked begins with its first publication
    insert into events.outbox (id, event, due_at, created_at)
    select correlation_id, event, due_at, due_at
      from chosen
     cross join running
     cross join lateral (
       select greatest(now(), free_from) + turn * interval '1 second' / $2::int as due_at
     ) as scheduled
    on conflict do nothing
  )
  update events.dead_letters d
     set replayed_at = clock_timestamp(),
         bulk_at = coalesce(running.bulk_at, now())
    from chosen
   cross join running
   where d.id = chosen.id
  returning d.id`,
);

/** Reopens the chains of all verified dead letters that are parked, or of one type: `rate` chains come due a second. */
export const replayDeadLetters = (type: string | null, rate: number) => many(replayAll, [type, rate]);

const stop = statement<{ id: string }>(
  'replay-events.stop',
  `
  with scheduled as materialized (
    -- locked, and so seen as they are now: replaying one of them alone takes it out of the bulk
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
     where id = any (array(select correlation_id from scheduled))
       and attempts = 0
       and due_at > clock_timestamp()
    returning id
  )
  update events.dead_letters d
     set replayed_at = null,
         bulk_at = null
    from scheduled
    join closed on closed.id = scheduled.correlation_id
   where d.id = scheduled.id
  returning d.id`,
);

/** Closes the chains that a bulk replay has scheduled and that are not due yet: their dead letters are parked again. */
export const stopReplay = () => many(stop);
