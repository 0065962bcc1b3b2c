import { maybeOne, one, statement, type Statement } from '#platform/database/database.ts';

/** The first event of a chain that has not ended and has lost its outbox row. */
export interface Stranded {
  type: string;
  data: unknown;
  /** When it happened. */
  at: string;
}

/** What one statement of a scan has read. */
export interface ScanPage {
  rows: number;
  /** The last id of the page; null if it is empty. */
  last: string | null;
  stranded: Stranded[];
}

/** A table whose rows begin chains. */
export interface ScannedTable {
  /** Reads up to `rowsPerPage` rows with `after` < id <= `upTo`, in the order of their ids. */
  scan(after: string, upTo: string): Promise<ScanPage>;
  /** The lowest id; undefined if the table is empty. */
  lowest(): Promise<string | undefined>;
}

/** The most rows that one statement of a scan reads: it takes some 50 ms, however large the table is. */
export const rowsPerPage = 10_000;

const byId = 'id > $1::uuid and id <= $2::uuid';

/** A statement that reads a page of `rows`, and finds among their `open` chains those without an outbox row. */
function scanOf(name: string, rows: string, open: string): Statement<ScanPage> {
  return statement(
    `sweep.${name}`,
    `
  with page as materialized (
    ${rows}
     limit ${rowsPerPage}
  ), open as (
    ${open}
  ), stranded as (
    select open.*
      from open
     where not exists (select from events.outbox o where o.id = open.chain)
       -- a chain that was dead-lettered is retried less and less often
       and not exists (
         select from events.dead_letters d
          where d.correlation_id = open.chain
            and d.verified
            and d.last_parked_at
                > clock_timestamp() - least(interval '1 day', interval '1 minute' * 2 ^ least(d.times, 12)))
  )
  select (select count(*) from page) as rows,
         (select id from page order by id desc limit 1) as last,
         (select coalesce(json_agg(json_build_object('type', type, 'data', data, 'at', at)), '[]')
            from stranded) as stranded`,
  );
}

/** Settled more than a minute ago without a notification; after two days a notification would be of no use. */
const isUnnotified = (settledAt: string, subject: string, happened: string) => `
           (${settledAt} between clock_timestamp() - interval '2 days' and clock_timestamp() - interval '1 minute'
            and not exists (select from notifying.notifications n where n.event_id = ${subject} || '.${happened}'))`;

// once an order is being canceled, the chain of the cancel takes over: its first chain has ended
const openChainsOfOrders = `
    select 'shop.order.placed.v1' as type, id || '.placed' as chain, created_at as at,
           json_build_object('orderId', id, 'userId', user_id) as data
      from page
     where status = 'pending' and created_at < clock_timestamp() - interval '1 minute'
        or ${isUnnotified('paid_at', 'page.id', 'paid')}
        or ${isUnnotified('rejected_at', 'page.id', 'rejected')}
    union all
    select 'shop.order.cancel_requested.v1', id || '.cancel_requested', cancel_requested_at,
           json_build_object('orderId', id, 'userId', user_id)
      from page
     where status = 'canceling' and cancel_requested_at < clock_timestamp() - interval '1 minute'
        or ${isUnnotified('canceled_at', 'page.id', 'canceled')}
        or ${isUnnotified('refunded_at', 'page.id', 'refunded')}`;

const orders = `
    select id, user_id, status, created_at, paid_at, rejected_at, cancel_requested_at, canceled_at, refunded_at
      from ordering.orders`;

const placed = scanOf('scan_orders', `${orders} where ${byId} order by id`, openChainsOfOrders);

const canceled = scanOf(
  'scan_canceled',
  `${orders} where cancel_requested_at > now() - interval '5 minutes' order by cancel_requested_at`,
  openChainsOfOrders,
);

/** Reads the orders that were canceled within five minutes: these may have been placed long ago. */
export const scanCanceled = () => one(canceled);

const registered = scanOf(
  'scan_users',
  `
    select id, role, created_at
      from users.users
     where ${byId}
     order by id`,
  `
    select 'shop.user.registered.v1' as type, page.id || '.registered' as chain, page.created_at as at,
           json_build_object('userId', page.id) as data
      from page
      left join billing.accounts a on a.user_id = page.id
     where page.role = 'customer'
       and (a.id is null and page.created_at < clock_timestamp() - interval '1 minute'
            or ${isUnnotified('a.opened_at', 'a.id', 'opened')})`,
);

const deposited = scanOf(
  'scan_deposits',
  `
    select id, user_id, account_id, amount::bigint as amount, currency, created_at
      from billing.deposits
     where ${byId}
     order by id`,
  `
    select 'shop.deposit.succeeded.v1' as type, id || '.succeeded' as chain, created_at as at,
           json_build_object('depositId', id, 'accountId', account_id, 'userId', user_id,
                             'amount', amount, 'currency', currency) as data
      from page
     where ${isUnnotified('created_at', 'page.id', 'succeeded')}`,
);

function table(name: string, scan: Statement<ScanPage>): ScannedTable {
  const lowest = statement<{ id: string }>(
    `sweep.lowest_of_${name}`,
    `
  select id
    from ${name}
   order by id
   limit 1`,
  );
  return {
    scan: (after, upTo) => one(scan, [after, upTo]),
    lowest: async () => (await maybeOne(lowest))?.id,
  };
}

/** The tables whose rows begin chains. */
export const tables: ScannedTable[] = [
  table('ordering.orders', placed),
  table('users.users', registered),
  table('billing.deposits', deposited),
];
