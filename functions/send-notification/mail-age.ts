import { statement, type Database } from '#platform/database/database.ts';
import { observeGauge } from '#platform/telemetry/metrics.ts';

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

/** Registers the gauge of the oldest mail, by the database's clock; it reports nothing while the database is away. */
export function measureMailAge({ one }: Database, name: string): void {
  observeGauge({
    name: 'shop_mails_oldest_seconds',
    help: 'Age of the oldest mail that waits to be sent, in the whole shop; 0 if there is none',
    labels: ['function'],
    collect: async (set) => {
      const found = await one(oldest).catch(() => undefined);
      if (found) set({ function: name }, found.seconds);
    },
  });
}
