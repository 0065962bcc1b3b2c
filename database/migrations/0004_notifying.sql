create schema notifying;

create table notifying.notifications (
  id uuid primary key,
  -- the id of the event that it reports; "C" collation: read by the prefix of an order's id
  fact text collate "C" not null unique,
  user_id uuid not null,
  order_id uuid,
  template text not null
    check (template in ('welcome', 'deposit-received', 'order-paid', 'order-rejected', 'order-refunded', 'order-canceled')),
  recipient text not null,
  subject text not null,
  -- the event's data: what the mail contains, apart from the order's lines
  detail jsonb not null,
  correlation_id text not null,
  status text not null default 'queued' check (status in ('queued', 'sent', 'failed')),
  attempts int not null default 0,
  -- one minute: longer than all SMTP timeouts together, so that no living sender is overtaken
  due_at timestamptz default clock_timestamp() + interval '1 minute',
  error text,
  created_at timestamptz not null default clock_timestamp(),
  sent_at timestamptz,
  check ((status = 'queued') = (due_at is not null)),
  check ((status = 'sent') = (sent_at is not null))
) with (fillfactor = 80);

create index notifications_of_user on notifying.notifications (user_id, id);
create index notifications_due on notifying.notifications (due_at) where due_at is not null;
