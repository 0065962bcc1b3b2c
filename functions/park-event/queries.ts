import { uuidv7 } from 'uuidv7';
import { maybeOne, statement } from '#platform/database/database.ts';
import { encodeEvent, rawBody, type RawEvent } from '#platform/events/event-codec.ts';

interface NewDeadLetter {
  event: RawEvent;
  verified: boolean;
  detail: string;
  /** The limit of unverified dead letters. */
  maxUnverified: number;
}

/** How much data of an event from an untrusted sender is stored. */
export const maxBodyBytes = 64 * 1024;

const park = statement<{ id: string }>(
  'park-event.park',
  `
  with ended as (
    delete from events.outbox
     where $2::boolean
       and id = $7::text
  ), stored as materialized (
    -- by the unique key, which begins with "verified": reads at most that many entries of the index
    select count(*) as unverified
      from (select from events.dead_letters where not verified limit $11::int) as counted
     where not $2::boolean
  ), outdated as (
    -- only when the limit is reached: what was not parked again for a month
    delete from events.dead_letters
     where id = any (array(
             select id
               from events.dead_letters
              where not verified
                and last_parked_at < clock_timestamp() - interval '30 days'
                and (select unverified from stored) >= $11::int
              limit 10))
    returning id
  )
  insert into events.dead_letters
         (id, verified, source, event_id, type, subject, correlation_id, reason, detail, event, body)
  select $1::uuid, $2::boolean, $3::text, $4::text, $5::text, $6::text, $7::text,
         case when $2::boolean then 'refused' else 'unverified' end, $8::text, $9::json, $10::bytea
    from stored
   where unverified < $11::int
      or exists (select from outdated)
      or exists (select
                   from events.dead_letters
                  where verified = $2::boolean
                    and source = $3::text
                    and event_id = $4::text)
  on conflict (verified, source, event_id) do update
     set times = dead_letters.times + 1,
         reason = excluded.reason,
         detail = excluded.detail,
         last_parked_at = clock_timestamp()
  returning id`,
);

/**
 * Parks an event; a verified one also ends its chain. Returns nothing for an unverified one above the limit: the oldest
 * ones stay.
 */
export function parkEvent({
  event,
  verified,
  detail,
  maxUnverified,
}: NewDeadLetter): Promise<{ id: string } | undefined> {
  // without what the broker added, and without the shop's own signature, which is made again at each publication
  const added = (name: string) => name.startsWith('knative') || (verified && name === 'signature');
  const { data, ...attributes } = event;
  const body = verified ? null : (event[rawBody] ?? Buffer.from(encodeEvent(event).body));
  const isTooLarge = body !== null && body.length > maxBodyBytes;
  const original = {
    ...Object.fromEntries(Object.entries(attributes).filter(([name]) => !added(name))),
    ...(isTooLarge ? {} : Buffer.isBuffer(data) ? dataOf(data) : { data }),
  };
  return maybeOne(park, [
    uuidv7(),
    verified,
    text(event.source),
    text(event.id),
    text(event.type),
    text(event.subject),
    text(event['correlationid']),
    isTooLarge ? `Its data of ${body.length} bytes was not stored.` : (text(detail) ?? ''),
    asJson(original),
    isTooLarge ? null : body,
    maxUnverified,
  ]);
}

/** Bytes in the JSON format (1.0.2, section 3.1): as text if they are UTF-8, otherwise in base64. */
function dataOf(data: Buffer): { data: string } | { data_base64: string } {
  const asText = data.toString();
  return Buffer.from(asText).equals(data) ? { data: asText } : { data_base64: data.toString('base64') };
}

/** An event that is nested too deeply to be serialized is stored without its data; its bytes are stored anyway. */
function asJson({ data, ...attributes }: Record<string, unknown>): string {
  try {
    return shortened(JSON.stringify({ ...attributes, data }));
  } catch {
    return shortened(JSON.stringify(attributes));
  }
}

/** Attributes from headers have at most 16 KB: a much larger event came in structured mode, and is stored empty. */
const shortened = (event: string): string => (event.length > 4 * maxBodyBytes ? '{}' : event);

/** An event from an untrusted sender may hold anything; Postgres cannot store NUL in text. */
function text(value: unknown): string | null {
  return typeof value === 'string' ? value.replaceAll('\0', '').slice(0, 1_024) : null;
}
