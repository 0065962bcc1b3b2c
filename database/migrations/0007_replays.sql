-- When the bulk replay began that took this letter last, null after a replay of its own: a bulk replay's letters share
-- it, so that its progress is seen from them.
alter table events.dead_letters add column bulk_at timestamptz;

create index dead_letters_of_bulk on events.dead_letters (bulk_at) where bulk_at is not null;
