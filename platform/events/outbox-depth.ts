import { statement, type Database } from '#platform/database/database.ts';
import { observeGauge } from '#platform/telemetry/metrics.ts';

const cachedMs = 5_000;

const depth = statement<{ chains: number; ageSeconds: number }>(
  'outbox.depth',
  `
  select count(*) as chains,
         coalesce(extract(epoch from clock_timestamp() - min((event ->> 'time')::timestamptz) filter (
           -- neither one that has just begun, nor one that waits for its turn in a replay
           where attempts > 1 or due_at < clock_timestamp() - interval '5 seconds'
         )), 0)::float8 as "ageSeconds"
    from events.outbox`,
);

/**
 * Registers the gauges of the outbox, reported by the processes that publish, which poll it anyway. Reads the table at most
 * every five seconds; reports nothing while the database is away.
 */
export function measureOutbox({ one }: Database, name: string): void {
  let read: Promise<{ chains: number; ageSeconds: number } | undefined> | undefined;
  let readAt = 0;
  const current = () => {
    if (!read || performance.now() - readAt > cachedMs) {
      readAt = performance.now();
      read = one(depth).catch(() => undefined);
    }
    return read;
  };
  observeGauge({
    name: 'shop_outbox_chains',
    help: 'Chains that have not ended yet, in the whole shop',
    labels: ['function'],
    collect: async (set) => {
      const found = await current();
      if (found) set({ function: name }, found.chains);
    },
  });
  observeGauge({
    name: 'shop_outbox_oldest_seconds',
    help: 'Age of the oldest chain that its first repetition has not ended either, in the whole shop; 0 if there is none',
    labels: ['function'],
    collect: async (set) => {
      const found = await current();
      if (found) set({ function: name }, found.ageSeconds);
    },
  });
}
