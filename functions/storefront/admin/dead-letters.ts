import { statement, type Database } from '#platform/database/database.ts';
import type { Page, PageRequest, Position } from '../http/paging.ts';

export type DeadLetterStatus = 'parked' | 'replaying' | 'done';

interface DeadLetter {
  id: string;
  status: DeadLetterStatus;
  verified: boolean;
  reason: 'refused' | 'unverified' | 'undelivered';
  detail: string;
  source: string;
  eventId: string;
  type: string;
  subject: string | null;
  correlationId: string | null;
  times: number;
  ageSeconds: number;
  firstParkedAt: Date;
  lastParkedAt: Date;
  replayedAt: Date | null;
}

const columns = `
         d.id,
         -- derived, never written: the chain shows the result of a replay
         case
           when d.replayed_at is null then 'parked'
           when d.verified and exists (select from events.outbox o where o.id = d.correlation_id) then 'replaying'
           when d.last_parked_at > d.replayed_at then 'parked'
           else 'done'
         end as status,
         d.verified, d.reason, d.detail, d.source, d.event_id as "eventId", d.type, d.subject,
         d.correlation_id as "correlationId", d.times,
         extract(epoch from clock_timestamp() - d.first_parked_at)::int as "ageSeconds",
         d.first_parked_at as "firstParkedAt", d.last_parked_at as "lastParkedAt", d.replayed_at as "replayedAt"`;

const deadLetters = statement<DeadLetter & { position: string; isWanted: boolean }>(
  'storefront.dead_letters',
  `
  with read as (
    select ${columns}, d.first_parked_at::text as position
      from events.dead_letters d
     where (d.first_parked_at, d.id)
           < (coalesce($1::timestamptz, 'infinity'), coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
     order by d.first_parked_at desc, d.id desc
     limit $5::int
  )
  select *, ($3::text is null or type = $3::text) and ($4::text is null or status = $4::text) as "isWanted"
    from read
   order by "firstParkedAt" desc, id desc`,
);

/** Which dead letters are listed; null for all. */
export interface DeadLetterFilter {
  type: string | null;
  status: DeadLetterStatus | null;
}

const maxScanned = 1_000;

/** A page of dead letters, newest first. With a filter it ends early where too many others were read. */
export async function findDeadLetters(
  { many }: Database,
  { type, status }: DeadLetterFilter,
  { after, limit, cursorOf }: PageRequest<Position>,
): Promise<Page<DeadLetter>> {
  const maxRows = type === null && status === null ? limit + 1 : maxScanned;
  const found = await many(deadLetters, [...(after ?? [null, null]), type, status, maxRows]);
  const wanted = found.filter(({ isWanted }) => isWanted).slice(0, limit);
  const isFull = wanted.length === limit;
  const last = isFull ? wanted.at(-1) : found.at(-1);
  const isAll = found.length < maxRows && last === found.at(-1);
  return {
    data: wanted.map(({ position: _position, isWanted: _isWanted, ...deadLetter }) => deadLetter),
    nextCursor: isAll || !last ? null : cursorOf([last.position, last.id]),
  };
}

const deadLetter = statement<DeadLetter & { event: unknown }>(
  'storefront.dead_letter',
  `
  select ${columns},
         d.event
    from events.dead_letters d
   where d.id = $1::uuid`,
);

/** One dead letter with its event. */
export const findDeadLetter = ({ maybeOne }: Database, id: string) => maybeOne(deadLetter, [id]);

interface BulkReplay {
  startedAt: Date | null;
  endsAt: Date | null;
  total: number;
  waiting: number;
  replaying: number;
  done: number;
  parked: number;
}

const bulkReplay = statement<BulkReplay>(
  'storefront.bulk_replay',
  `
  with replayed as (
    select d.bulk_at, d.last_parked_at > d.replayed_at as "isBack", o.id is not null as "isOpen",
           case when o.attempts = 0 then o.due_at end as due_at
      from events.dead_letters d
      left join events.outbox o on o.id = d.correlation_id
     where d.bulk_at = (select max(bulk_at) from events.dead_letters where bulk_at is not null)
  )
  select max(bulk_at) as "startedAt", max(due_at) as "endsAt", count(*) as total, count(due_at) as waiting,
         count(*) filter (where "isOpen" and due_at is null) as replaying,
         count(*) filter (where not "isOpen" and not "isBack") as done,
         count(*) filter (where not "isOpen" and "isBack") as parked
    from replayed`,
);

/** The progress of the newest bulk replay: its dead letters by status. All zero if there was none. */
export const findBulkReplay = ({ one }: Database) => one(bulkReplay);
