-- Mails to one recipient above a cap are gathered: the first row of a digest is due when the digest is, the others wait
-- for it (due_at = 'infinity'). Null for nearly every row, so the index costs only what is gathered.
alter table notifying.notifications add column digest_at timestamptz;
create index notifications_of_digest on notifying.notifications (user_id, digest_at) where digest_at is not null;
grant update (digest_at) on notifying.notifications to shop_send_notification;
