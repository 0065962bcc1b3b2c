import { Gauge } from 'prom-client';
import { one, statement } from '#platform/database/database.ts';
import { thisFunction } from '#platform/telemetry/log.ts';
import { registry } from '#platform/telemetry/metrics.ts';

// what publishes looks into the outbox anyway; only these processes tell of it

const cachedMs = 5_000;

const depth = statement<{ chains: number; ageSeconds: number }>(
  'outbox.depth',
  `
  select count(*) as chains,
         coalesce(extract(epoch from clock_timestamp() - min((event ->> 'time')::timestamptz) filter (
           -- not one that has just begun, nor one that waits for its turn in a replay
           where attempts > 1 or due_at < clock_timestamp() - interval '5 seconds'
         )), 0)::float8 as "ageSeconds"
    from events.outbox`,
);

let looked: Promise<{ chains: number; ageSeconds: number } | undefined> | undefined;
let polledAt = 0;

/** Looks at most every five seconds, however often it is asked; nothing while the database is away. */
function look() {
  if (!looked || performance.now() - polledAt > cachedMs) {
    polledAt = performance.now();
    looked = one(depth).catch(() => undefined);
  }
  return looked;
}

export const outboxChains = new Gauge({
  name: 'shop_outbox_chains',
  help: 'Chains that have not ended yet, in the whole shop',
  labelNames: ['function'] as const,
  registers: [registry],
  async collect() {
    this.reset();
    const found = await look();
    if (found) this.set({ function: thisFunction }, found.chains);
  },
});

export const outboxAge = new Gauge({
  name: 'shop_outbox_oldest_seconds',
  help: 'Age of the oldest chain that its first repetition has not ended either, in the whole shop; 0 if there is none',
  labelNames: ['function'] as const,
  registers: [registry],
  async collect() {
    this.reset();
    const found = await look();
    if (found) this.set({ function: thisFunction }, found.ageSeconds);
  },
});
