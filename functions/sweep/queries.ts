import { many, statement } from '#platform/database.ts';

const park = statement<{ id: string }>(
  'sweep.park',
  `
  with expired as (
    delete from events.outbox
     where created_at < clock_timestamp() - interval '1 day'
    returning id, event, attempts
  )
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
  returning event_id as id`,
);

/** Parks chains older than a day; gives their ids. */
export const parkUndelivered = () => many(park);
