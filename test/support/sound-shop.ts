// The rows of the smallest shop to which every invariant applies.

export const id = (n: number) => `0198c0de-0000-7000-8000-${String(n).padStart(12, '0')}`;
export const [ann, bob, annsAccount, bobsAccount] = [id(1), id(2), id(3), id(4)];
export const [paid, rejected, refunded, canceled] = [id(11), id(12), id(13), id(14)];
export const [annsDeposit, bobsDeposit] = [id(21), id(22)];
export const [world, sales] = ['00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000002'];

/** Ann has 1000: an order of 800 was paid, one of 900 rejected, one of 100 refunded, one of 50 canceled. Bob has 500. */
export const soundShop = `
  insert into users.users (id, email, name, password_hash) values
    ('${ann}', 'ann@example.com', 'Ann', '$argon2id$none'), ('${bob}', 'bob@example.com', 'Bob', '$argon2id$none');
  insert into billing.accounts (id, user_id, balance, deposited, version) values
    ('${annsAccount}', '${ann}', 200, 1000, 4), ('${bobsAccount}', '${bob}', 500, 500, 1);
  insert into billing.deposits
         (id, account_id, user_id, idempotency_key, request_hash, amount, currency, balance_after) values
    ('${annsDeposit}', '${annsAccount}', '${ann}', 'a', '', 1000, 'usd', 1000),
    ('${bobsDeposit}', '${bobsAccount}', '${bob}', 'a', '', 500, 'usd', 500);
  insert into ordering.orders
         (id, user_id, idempotency_key, request_hash, status, reason, total, currency, created_at, paid_at, rejected_at,
          cancel_requested_at, canceled_at, refunded_at) values
    ('${paid}', '${ann}', 'a', '', 'paid', null, 800, 'usd', '2026-01-01T10:00Z', '2026-01-01T10:02Z', null, null, null, null),
    ('${rejected}', '${ann}', 'b', '', 'rejected', 'insufficient_funds', 900, 'usd', '2026-01-01T10:00Z', null,
     '2026-01-01T10:02Z', null, null, null),
    ('${refunded}', '${ann}', 'c', '', 'refunded', null, 100, 'usd', '2026-01-01T10:00Z', '2026-01-01T10:02Z', null,
     '2026-01-01T10:03Z', null, '2026-01-01T10:04Z'),
    ('${canceled}', '${ann}', 'd', '', 'canceled', null, 50, 'usd', '2026-01-01T10:00Z', null, null,
     '2026-01-01T10:03Z', '2026-01-01T10:04Z', null);
  insert into ordering.order_lines (order_id, line, sku, name, quantity, unit_price) values
    ('${paid}', 1, 'pen', 'Pen', 7, 100), ('${paid}', 2, 'sticker', 'Sticker', 100, 1),
    ('${rejected}', 1, 'pen', 'Pen', 9, 100), ('${refunded}', 1, 'pen', 'Pen', 1, 100),
    ('${canceled}', 1, 'sticker', 'Sticker', 50, 1);
  insert into billing.charges (order_id, user_id, account_id, amount, currency, outcome, reason, decided_at) values
    ('${paid}', '${ann}', '${annsAccount}', 800, 'usd', 'succeeded', null, '2026-01-01T10:01Z'),
    ('${rejected}', '${ann}', '${annsAccount}', 900, 'usd', 'declined', 'insufficient_funds', '2026-01-01T10:01Z'),
    ('${refunded}', '${ann}', '${annsAccount}', 100, 'usd', 'succeeded', null, '2026-01-01T10:01Z'),
    ('${canceled}', '${ann}', '${annsAccount}', 50, 'usd', 'declined', 'order_canceled', '2026-01-01T10:03Z');
  insert into billing.transfers
         (id, kind, debit_account_id, credit_account_id, amount, currency, order_id, account_version, balance_after,
          created_at) values
    ('${annsDeposit}', 'deposit', '${world}', '${annsAccount}', 1000, 'usd', null, 1, 1000, '2026-01-01T09:00Z'),
    ('${bobsDeposit}', 'deposit', '${world}', '${bobsAccount}', 500, 'usd', null, 1, 500, '2026-01-01T09:00Z'),
    ('${id(31)}', 'charge', '${annsAccount}', '${sales}', 800, 'usd', '${paid}', 2, 200, '2026-01-01T10:01Z'),
    ('${id(32)}', 'charge', '${annsAccount}', '${sales}', 100, 'usd', '${refunded}', 3, 100, '2026-01-01T10:01Z'),
    ('${id(33)}', 'refund', '${sales}', '${annsAccount}', 100, 'usd', '${refunded}', 4, 200, '2026-01-01T10:03:30Z');
  insert into notifying.notifications
         (id, event_id, user_id, order_id, template, recipient, subject, detail, correlation_id, status, due_at, sent_at)
  select gen_random_uuid(), event_id, user_id::uuid, order_id::uuid, template, recipient, '', '{}', event_id, 'sent', null, now()
    from (values
      ('${annsAccount}.opened', '${ann}', null, 'welcome', 'ann@example.com'),
      ('${bobsAccount}.opened', '${bob}', null, 'welcome', 'bob@example.com'),
      ('${annsDeposit}.succeeded', '${ann}', null, 'deposit-received', 'ann@example.com'),
      ('${bobsDeposit}.succeeded', '${bob}', null, 'deposit-received', 'bob@example.com'),
      ('${paid}.paid', '${ann}', '${paid}', 'order-paid', 'ann@example.com'),
      ('${rejected}.rejected', '${ann}', '${rejected}', 'order-rejected', 'ann@example.com'),
      ('${refunded}.paid', '${ann}', '${refunded}', 'order-paid', 'ann@example.com'),
      ('${refunded}.refunded', '${ann}', '${refunded}', 'order-refunded', 'ann@example.com'),
      ('${canceled}.canceled', '${ann}', '${canceled}', 'order-canceled', 'ann@example.com')
    ) as notified (event_id, user_id, order_id, template, recipient);
  insert into events.dead_letters (id, verified, source, event_id, type, reason, detail, event)
  values (gen_random_uuid(), false, '/test', 'broken', 'test', 'unverified', '', '{}');`;

/** The parameters of the invariants for this shop; see invariants.sql. */
export const given = {
  accepted: [paid, rejected, refunded, canceled],
  canceled: [refunded, canceled],
  broken: ['broken'],
  earlier: [{ id: paid, paid_at: '2026-01-01T10:02Z' }, { id: rejected }],
};
