import { Gauge } from 'prom-client';
import { many, statement } from '#platform/database/database.ts';
import { registry } from '#platform/telemetry/metrics.ts';

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

/** Told by the storefront, which always runs: park-event has often ended before anybody asks it. */
export const parked = new Gauge({
  name: 'shop_dead_letters',
  help: 'Parked events that wait for a person, in the whole shop',
  labelNames: ['function', 'reason'] as const,
  registers: [registry],
  async collect() {
    this.reset();
    const found = await many(count).catch(() => undefined);
    if (!found) return;
    for (const reason of reasons) this.set({ function: 'storefront', reason }, 0);
    for (const { reason, parked: number } of found) this.set({ function: 'storefront', reason }, number);
  },
});
