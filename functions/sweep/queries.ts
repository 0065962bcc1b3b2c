import { many, one, statement } from '#platform/database/database.ts';
import type { ShopEvent } from '#platform/events/event.ts';

interface ParkedPage {
  rows: number;
  /** The last id of the page; null if it was empty. */
  last: string | null;
  /** The ids of the events that were parked. */
  parked: string[];
}

/** How many rows of the outbox one statement reads at most. */
export const rowsPerStatement = 2_000;

const park = statement<ParkedPage>(
  'sweep.park',
  `
  with page as materialized (
    select id, created_at
      from events.outbox
     where id > $1::text
     order by id
     limit ${rowsPerStatement}
  ), expired as (
    delete from events.outbox
     where id = any (array(
             select o.id
               from events.outbox o
              where o.id = any (array(select id from page where created_at < now() - interval '1 day'))
                -- a row that another process has locked may just be ending
                for update skip locked))
    returning id, event, attempts
  ), parked as (
    insert into events.dead_letters
           (id, verified, source, event_id, type, subject, correlation_id, reason, detail, event, times)
    select gen_random_uuid(), true, event ->> 'source', event ->> 'id', event ->> 'type', event ->> 'subject', id,
           'undelivered', 'Published ' || attempts || ' times within a day, and the chain has not ended.', event, 1
      from expired
    on conflict (verified, source, event_id) do update
       set times = dead_letters.times + 1,
           reason = excluded.reason,
           detail = excluded.detail,
           last_parked_at = clock_timestamp()
    returning event_id
  )
  select (select count(*) from page) as rows,
         (select id from page order by id desc limit 1) as last,
         array(select event_id from parked) as parked`,
);

/** Parks the chains older than a day among the next rows of the outbox after this id. */
export const parkUndelivered = (after: string) => one(park, [after]);

const reopen = statement<{ id: string }>(
  'sweep.reopen',
  `
  insert into events.outbox (id, event, due_at)
  select id, event, now()
    from unnest($1::text[], $2::json[]) as chain (id, event)
   order by id
  on conflict do nothing
  returning id`,
);

/** Inserts outbox rows of chains again, due at once; returns those that were missing. */
export const reopenChains = (events: ShopEvent[]) =>
  many(reopen, [events.map(({ id }) => id), events.map((event) => JSON.stringify(event))]);
