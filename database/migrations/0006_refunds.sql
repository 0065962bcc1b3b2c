-- An order is refunded at most once, however often its events are delivered: by this key. Charges are not in it.
create unique index refunds_once_an_order on billing.transfers (order_id) where kind = 'refund';
