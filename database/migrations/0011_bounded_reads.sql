-- How much a list has to read of an order; null for orders of before.
alter table ordering.orders add column line_count int;
grant insert (line_count) on ordering.orders to shop_create_order;
