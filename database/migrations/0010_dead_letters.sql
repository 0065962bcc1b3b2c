-- An event from an untrusted sender is stored byte for byte, and replayed exactly as it was. Null where the event is one
-- of the shop's, which is serialized again, and where its data was too large to be stored.
alter table events.dead_letters add column body bytea;
grant delete on events.dead_letters to shop_park_event;
