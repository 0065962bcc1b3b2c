import { Gauge } from 'prom-client';
import { one, statement } from '#platform/database/database.ts';
import { thisFunction } from '#platform/telemetry/log.ts';
import { registry } from '#platform/telemetry/metrics.ts';

const oldest = statement<{ seconds: number }>(
  'send-notification.oldest',
  `
  select coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8 as seconds
    from (select created_at
            from notifying.notifications
           where due_at < 'infinity'
                 -- a digest is held until it is due
             and (digest_at is null or due_at < now())
           order by due_at
           limit 10000) as queued`,
);

/** Measured by the database's clock; without a value during an outage of the database. */
export const oldestMail = new Gauge({
  name: 'shop_mails_oldest_seconds',
  help: 'Age of the oldest mail that waits to be sent, in the whole shop; 0 if there is none',
  labelNames: ['function'] as const,
  registers: [registry],
  async collect() {
    this.reset();
    const found = await one(oldest).catch(() => undefined);
    if (found) this.set({ function: thisFunction }, found.seconds);
  },
});
