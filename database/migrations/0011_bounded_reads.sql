-- What a customer reads is found by the database's own times: newest first, and what happened since a moment. Ids are of
-- the clocks of the functions. Each index takes the place of the one by ids; without the id, or the planner could take it
-- for a look-up by customer and id, and walk through all that the customer has.
create index orders_by_time on ordering.orders (user_id, created_at);
drop index ordering.orders_of_user;
create index orders_by_cancel on ordering.orders (user_id, cancel_requested_at) where cancel_requested_at is not null;
create index notifications_by_time on notifying.notifications (user_id, created_at);
drop index notifying.notifications_of_user;
create index deposits_by_time on billing.deposits (user_id, created_at);
create index dead_letters_by_time on events.dead_letters (first_parked_at, id);

-- how much a list has to read of an order; null for orders of before
alter table ordering.orders add column line_count int;
grant insert (line_count) on ordering.orders to shop_create_order;
