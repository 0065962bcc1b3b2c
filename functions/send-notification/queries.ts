import { statement, type Database } from '#platform/database/database.ts';
import type { ScanInterval } from '#platform/events/poll.ts';
import type { EventData } from '#platform/events/event.ts';
import type { MailContent, Template } from './mails.ts';

export interface NewNotification {
  id: string;
  /** The id of the event that the mail reports. */
  eventId: string;
  userId: string;
  orderId: string | null;
  template: Template;
  subject: string;
  detail: EventData;
  correlationId: string;
  traceparent?: string | undefined;
}

/** A mail to be sent: its notification with the names and lines that it shows. */
export interface QueuedMail extends MailContent {
  eventId: string;
  userId: string;
  attempts: number;
  /** When the digest that it carries is due; null for a mail on its own. */
  digestAt: Date | null;
  /** When it was read, in ms of `performance.now()`: a minute later, or more, another process may take it over. */
  takenAt: number;
  /** The trace that it belongs to; undefined for a mail that was taken over. */
  traceparent?: string | undefined;
}

type MailRow = Omit<QueuedMail, 'takenAt'>;

async function taken(rows: () => Promise<MailRow[]>): Promise<QueuedMail[]> {
  const takenAt = performance.now();
  return (await rows()).map((mail) => ({ ...mail, takenAt }));
}

const record = statement<MailRow>(
  'send-notification.record',
  `
  with wanted as (
    select *
      from unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::jsonb[], $8::text[])
           as wanted (id, event_id, user_id, order_id, template, subject, detail, correlation_id)
  ), notifiable as materialized (
    select wanted.*, u.email, u.name
      from wanted
      join users.users u on u.id = wanted.user_id
  ), ended as (
    -- the chain ends here on every delivery, even if an earlier one has recorded the event
    -- arrays, not joins: a plan that was made for an empty table may scan the whole table once a row
    delete from events.outbox
     where id = any (array(
             select id
               from events.outbox
              where id = any (array(select correlation_id from notifiable))
              order by id
                for update))
  ), recorded as (
    insert into notifying.notifications
           (id, event_id, user_id, order_id, template, recipient, subject, detail, correlation_id)
    select id, event_id, user_id, order_id, template, email, subject, detail, correlation_id
      from notifiable
     order by event_id
    on conflict do nothing
    returning *
  )
  select recorded.id, recorded.event_id as "eventId", recorded.template, recorded.recipient, recorded.subject, recorded.detail,
         recorded.attempts, recorded.user_id as "userId", recorded.digest_at as "digestAt", notifiable.name,
         (select json_agg(json_build_object('name', name, 'quantity', quantity, 'unitPrice', unit_price) order by line)
            from ordering.order_lines
           where order_id = recorded.order_id) as lines
    from recorded
    join notifiable on notifiable.id = recorded.id`,
);

/**
 * Records notifications and ends their chains; returns the mails of those that this statement recorded. A notification
 * of an unknown user is left out, and its chain stays open.
 */
export const recordNotifications = ({ many }: Database, notifications: NewNotification[]) =>
  taken(() =>
    many(record, [
      notifications.map(({ id }) => id),
      notifications.map(({ eventId }) => eventId),
      notifications.map(({ userId }) => userId),
      notifications.map(({ orderId }) => orderId),
      notifications.map(({ template }) => template),
      notifications.map(({ subject }) => subject),
      notifications.map(({ detail }) => JSON.stringify(detail)),
      notifications.map(({ correlationId }) => correlationId),
    ]),
  );

const find = statement<{ eventId: string }>(
  'send-notification.find',
  `
  with known as (
    select wanted.event_id, wanted.correlation_id
      from unnest($1::text[], $2::text[]) as wanted (event_id, correlation_id)
     where exists (select from notifying.notifications n where n.event_id = wanted.event_id)
  ), ended as (
    -- for a user who was deleted since: the statement that records does not end their chains
    delete from events.outbox
     where id = any (array(select correlation_id from known))
  )
  select event_id as "eventId"
    from known`,
);

/** Which of these events were recorded before. Ends their chains. */
export const findRecorded = ({ many }: Database, notifications: NewNotification[]) =>
  many(find, [notifications.map(({ eventId }) => eventId), notifications.map(({ correlationId }) => correlationId)]);

const takeDue = statement<MailRow>(
  'send-notification.take_due',
  `
  with due as (
    select id, user_id, digest_at
      from notifying.notifications
     where due_at < now()
       and due_at > now() - $2::interval
     order by due_at
     limit $1::int
       for update skip locked
  ), taken as (
    update notifying.notifications n
       set due_at = case when u.id is not null then clock_timestamp() + interval '1 minute' end,
           status = case when u.id is not null then 'queued' else 'failed' end,
           error = case when u.id is not null then n.error else 'the user was deleted' end
      from due
      left join users.users u on u.id = due.user_id
     where n.id = due.id
    returning n.*, u.name
  ), left_behind as (
    -- a digest whose recipient was deleted
    update notifying.notifications n
       set due_at = null,
           status = 'failed',
           error = 'the user was deleted'
      from due
     where due.digest_at is not null
       and not exists (select from users.users u where u.id = due.user_id)
       and n.user_id = due.user_id
       and n.digest_at = due.digest_at
       and n.status = 'queued'
       and n.id <> all (array(select id from due))
  )
  select taken.id, taken.event_id as "eventId", taken.template, taken.recipient, taken.subject, taken.detail, taken.attempts,
         taken.user_id as "userId", taken.digest_at as "digestAt", taken.name,
         (select json_agg(json_build_object('name', name, 'quantity', quantity, 'unitPrice', unit_price) order by line)
            from ordering.order_lines
           where order_id = taken.order_id) as lines
    from taken
   where taken.status = 'queued'`,
);

/** Takes over up to `limit` due mails for a minute. Those of deleted users are marked as failed. */
export const takeDueMails = ({ many }: Database, limit: number, interval: ScanInterval) =>
  taken(() => many(takeDue, [limit, interval]));

/** How an attempt to send a mail ended. */
export interface AttemptOutcome {
  id: string;
  outcome: 'sent' | 'refused' | 'later';
  error: string | null;
  /** When it ended, in ms of `performance.now()`: it is stored a little later. */
  at: number;
}

const mark = statement<{ id: string }>(
  'send-notification.mark',
  `
  update notifying.notifications n
     set attempts = n.attempts + 1,
         error = attempt.error,
         sent_at = case attempt.outcome when 'sent' then statement_timestamp() - attempt.age * interval '1 ms' end,
         status = case
           when attempt.outcome = 'sent' then 'sent'
           when attempt.outcome = 'refused' or n.created_at < clock_timestamp() - interval '1 day' then 'failed'
           else 'queued'
         end,
         due_at = case
           when attempt.outcome = 'later' and n.created_at >= clock_timestamp() - interval '1 day'
           then clock_timestamp() + least(interval '10 minutes', interval '1 second' * 2 ^ least(n.attempts, 10))
         end
    from unnest($1::uuid[], $2::text[], $3::text[], $4::float8[]) as attempt (id, outcome, error, age)
   where n.id = attempt.id
     and n.status = 'queued'`,
);

/** Stores how attempts ended: sent, refused for good, or to be retried later, for up to a day. */
export const markMails = ({ many }: Database, outcomes: AttemptOutcome[]) =>
  many(mark, [
    outcomes.map(({ id }) => id),
    outcomes.map(({ outcome }) => outcome),
    outcomes.map(({ error }) => error),
    outcomes.map(({ at }) => performance.now() - at),
  ]);
