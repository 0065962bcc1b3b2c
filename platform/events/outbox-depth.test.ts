import { expect, test } from '@jest/globals';
import { rows, useDatabase } from '#test/support/database.ts';
import { registry } from '#platform/telemetry/metrics.ts';
import { context } from '#test/support/context.ts';
import { measureOutbox } from './outbox-depth.ts';

useDatabase();

const chain = (
  id: string,
  { age, attempts = 0, dueIn = '1 second' }: { age: string; attempts?: number; dueIn?: string },
) =>
  rows(
    `insert into events.outbox (id, event, attempts, due_at)
     values ($1, json_build_object('time', clock_timestamp() - $2::interval), $3, clock_timestamp() + $4::interval)`,
    [id, age, attempts, dueIn],
  );

test('counts every open chain, and reports the age of the oldest that a repetition has not ended', async () => {
  await chain('begun', { age: '1 second' });
  await chain('repeated once', { age: '1 hour', attempts: 1 });
  await chain('waits for its turn in a replay', { age: '3 hours', dueIn: '10 minutes' });
  await chain('repeated in vain', { age: '2 minutes', attempts: 7 });
  await chain('not polled', { age: '5 minutes', dueIn: '-1 minute' });
  measureOutbox(context.database, 'shop');
  const text = await registry.metrics();
  expect(text).toContain('shop_outbox_chains{function="shop"} 5\n');
  const age = Number(/^shop_outbox_oldest_seconds\{function="shop"\} (\S+)$/m.exec(text)?.[1]);
  expect(age).toBeGreaterThanOrEqual(300);
  expect(age).toBeLessThan(3_000);
});
