alter table notifying.notifications rename column fact to event_id;
alter table notifying.notifications rename constraint notifications_fact_key to notifications_event_id_key;
