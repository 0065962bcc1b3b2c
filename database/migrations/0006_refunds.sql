-- An order is refunded once at most, whatever is delivered how often: by this key. Charges are not in it.
create unique index refunds_once_an_order on billing.transfers (order_id) where kind = 'refund';
