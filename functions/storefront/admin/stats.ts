import { statement, type Database } from '#platform/database/database.ts';

interface Stats {
  orders: number;
  decided: number;
  /** Milliseconds from the acceptance of an order to its settlement; null if none was settled. */
  medianMs: number | null;
  p99Ms: number | null;
  /** Chains that have not ended, of whatever age. */
  openChains: number;
}

const stats = statement<Stats>(
  'storefront.stats',
  `
  with recent as (
    select extract(epoch from coalesce(paid_at, rejected_at) - created_at) * 1000 as ms
      from ordering.orders
           -- ids begin with their time, so that the primary key finds the newest
     where id >= $1::uuid
  )
  select count(*) as orders, count(ms) as decided,
         round(percentile_cont(0.5) within group (order by ms::float8))::int as "medianMs",
         round(percentile_cont(0.99) within group (order by ms::float8))::int as "p99Ms",
         (select count(*) from events.outbox) as "openChains"
    from recent`,
);

const seconds = 60;

/** Throughput and latency of the orders of the last minute. */
export async function findStats({ one }: Database, now: number): Promise<Stats & { seconds: number }> {
  const since = (now - seconds * 1_000).toString(16).padStart(12, '0');
  const found = await one(stats, [`${since.slice(0, 8)}-${since.slice(8)}-0000-0000-000000000000`]);
  return { seconds, ...found };
}
