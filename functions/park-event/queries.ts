import type { CloudEventV1 } from 'cloudevents';
import { uuidv7 } from 'uuidv7';
import { one, statement } from '#platform/database.ts';

interface GivenUp {
  event: CloudEventV1<unknown>;
  verified: boolean;
  detail: string;
}

const park = statement<{ id: string }>(
  'park-event.park',
  `
  with ended as (
    delete from events.outbox
     where $2::boolean
       and id = $7::text
  )
  insert into events.dead_letters
         (id, verified, source, event_id, type, subject, correlation_id, reason, detail, event)
  values ($1::uuid, $2::boolean, $3::text, $4::text, $5::text, $6::text, $7::text,
          case when $2::boolean then 'refused' else 'unverified' end, $8::text, $9::json)
  on conflict (verified, source, event_id) do update
     set times = dead_letters.times + 1,
         reason = excluded.reason,
         detail = excluded.detail,
         last_parked_at = clock_timestamp()
  returning id`,
);

/** Parks an event; one of ours also ends its chain. */
export function parkEvent({ event, verified, detail }: GivenUp): Promise<{ id: string }> {
  // what the broker added goes; so does our own signature, which is made anew at each publication
  const added = (name: string) => name.startsWith('knative') || (verified && name === 'signature');
  const original = Object.fromEntries(Object.entries(event).filter(([name]) => !added(name)));
  return one(park, [
    uuidv7(),
    verified,
    text(event.source),
    text(event.id),
    text(event.type),
    text(event.subject),
    text(event['correlationid']),
    text(detail) ?? '',
    JSON.stringify(original),
  ]);
}

/** A stranger's event may hold anything; Postgres takes no NUL in a text. */
function text(value: unknown): string | null {
  return typeof value === 'string' ? value.replaceAll('\0', '').slice(0, 1_024) : null;
}
