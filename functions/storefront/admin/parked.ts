import { statement, type Database } from '#platform/database/database.ts';
import { observeGauge } from '#platform/telemetry/metrics.ts';

const count = statement<{ reason: string; parked: number }>(
  'storefront.parked',
  `
  select reason, count(*) as parked
    from events.dead_letters
   where replayed_at is null
      or last_parked_at > replayed_at
   group by reason`,
);

const reasons = ['refused', 'unverified', 'undelivered'];

/** Registers the gauge of parked events. The storefront reports it, because park-event scales to zero before a scrape. */
export function measureDeadLetters({ many }: Database): void {
  observeGauge({
    name: 'shop_dead_letters',
    help: 'Parked events that need a decision, in the whole shop',
    labels: ['function', 'reason'],
    collect: async (set) => {
      const found = await many(count).catch(() => undefined);
      if (!found) return;
      for (const reason of reasons) set({ function: 'storefront', reason }, 0);
      for (const { reason, parked } of found) set({ function: 'storefront', reason }, parked);
    },
  });
}
