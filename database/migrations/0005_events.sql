create schema events;

-- A chain's first event, kept until the step that ends the chain deletes it. Nothing signed is stored.
create table events.outbox (
  id text collate "C" primary key,
  event json not null,
  attempts int not null default 0,
  -- the first attempt is made from memory; the process that finds the row due makes the next one
  due_at timestamptz not null default clock_timestamp() + interval '1 second',
  created_at timestamptz not null default clock_timestamp()
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);

create index outbox_due on events.outbox (due_at);

create table events.dead_letters (
  id uuid primary key,
  -- whether the shop itself published it; an unsigned event never hides or replaces a signed one
  verified boolean not null,
  source text not null,
  event_id text not null,
  type text not null,
  subject text,
  correlation_id text,
  reason text not null check (reason in ('refused', 'unverified', 'undelivered')),
  detail text not null,
  event json not null,
  times int not null default 1,
  first_parked_at timestamptz not null default clock_timestamp(),
  last_parked_at timestamptz not null default clock_timestamp(),
  replayed_at timestamptz,
  unique (verified, source, event_id)
);
