-- Mails to one recipient above a cap are gathered: the first row of a digest is due when the digest is, the others wait
-- for it (due_at = 'infinity').
alter table notifying.notifications add column digest_at timestamptz;
grant update (digest_at) on notifying.notifications to shop_send_notification;
