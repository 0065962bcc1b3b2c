import { statement, type Database } from '#platform/database/database.ts';
import type { MailContent } from './mails.ts';
import type { AttemptOutcome, QueuedMail } from './queries.ts';

/** A mail above the cap of its recipient. */
export interface MailToGather {
  id: string;
  userId: string;
  /** When the digest that was begun for its recipient before is due. */
  digestAt: Date | undefined;
}

const gather = statement<{ userId: string; digestAt: Date }>(
  'send-notification.gather',
  `
  with gathered as (
    select id, digest_at, row_number() over (partition by user_id order by id) = 1 as is_first
      from unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) as gathered (id, user_id, digest_at)
  ), hour as (
    select date_trunc('hour', clock_timestamp()) + interval '1 hour' as ends_at
  )
  update notifying.notifications n
     set digest_at = hour.ends_at,
         due_at = case
           -- carries the digest, half a minute late, so that no statement can still add to it
           when is_first and gathered.digest_at is distinct from hour.ends_at then hour.ends_at + interval '30 seconds'
           else 'infinity'
         end
    from gathered
   cross join hour
   where n.id = gathered.id
     and n.status = 'queued'
  returning n.user_id as "userId", n.digest_at as "digestAt"`,
);

/** Holds mails back for the digest of their recipient at the end of the hour. */
export const gatherMails = ({ many }: Database, mails: MailToGather[]) =>
  many(gather, [
    mails.map(({ id }) => id),
    mails.map(({ userId }) => userId),
    mails.map(({ digestAt }) => digestAt ?? null),
  ]);

/** What a digest shows of one notification. */
export type DigestEntry = Pick<MailContent, 'template' | 'subject' | 'detail'>;

/** How many notifications a digest shows; it only counts the others. */
export const maxEntries = 100;

const entries = statement<DigestEntry & { total: number }>(
  'send-notification.entries',
  `
  select template, subject, detail, count(*) over () as total
    from notifying.notifications
   where user_id = $1::uuid
     and digest_at = $2::timestamptz
     and status = 'queued'
   order by created_at, id
   limit ${maxEntries}`,
);

/** The oldest notifications of a digest, and how many it has. */
export async function findEntries(
  { many }: Database,
  { userId, digestAt }: QueuedMail,
): Promise<{ total: number; entries: DigestEntry[] }> {
  const found = await many(entries, [userId, digestAt]);
  return { total: found[0]?.total ?? 0, entries: found };
}

const rowsPerStatement = 2_000;

const settle = statement<{ id: string }>(
  'send-notification.settle_digest',
  `
  update notifying.notifications
     set attempts = attempts + 1,
         status = case $4::text when 'sent' then 'sent' else 'failed' end,
         sent_at = case $4::text when 'sent' then statement_timestamp() - $5::float8 * interval '1 ms' end,
         error = $6::text,
         due_at = null
   where id = any (array(
           select id
             from notifying.notifications
            where user_id = $1::uuid
              and digest_at = $2::timestamptz
              and status = 'queued'
              and id <> $3::uuid
              -- fails after a day, as its first notification does
              and ($4::text <> 'later'
                   or exists (select
                                from notifying.notifications
                               where id = $3::uuid
                                 and created_at < clock_timestamp() - interval '1 day'))
            limit ${rowsPerStatement}))
  returning id`,
);

/** Stores the outcome of a digest for its notifications except the first, which is marked after them, as any mail. */
export async function settleDigest(
  { many }: Database,
  { id, userId, digestAt }: QueuedMail,
  { outcome, error, at }: AttemptOutcome,
): Promise<void> {
  for (let count = rowsPerStatement; count === rowsPerStatement;) {
    const age = performance.now() - at;
    count = (await many(settle, [userId, digestAt, id, outcome, age, error])).length;
  }
}
