import { log } from '#platform/telemetry/log.ts';
import { onAnyEvent } from '#platform/events/on-event.ts';
import { batchSize, republishDue } from '#platform/events/outbox.ts';
import { parkUndelivered, rowsPerStatement } from './queries.ts';
import { reconcile } from './reconcile.ts';

// the next ping comes within a minute, and continues where this one stopped
const timeoutMs = 20_000;

/**
 * The backstop, called every minute: publishes what is due even if no publishing function runs, parks chains that have
 * not ended within a day, and reopens chains that have lost their outbox row. A part that fails does not stop the
 * others, but the call fails.
 */
export const handle = onAnyEvent(async () => {
  const failures: unknown[] = [];
  for (const part of [republish, park, reconcile, republish]) {
    await part().catch((error: unknown) => failures.push(error));
  }
  if (failures.length > 0) throw failures[0];
});

async function republish(): Promise<void> {
  const until = performance.now() + timeoutMs;
  while ((await republishDue()) === batchSize && performance.now() < until);
}

async function park(): Promise<void> {
  const until = performance.now() + timeoutMs;
  for (let after: string | null = ''; after !== null && performance.now() < until;) {
    const { rows, last, parked } = await parkUndelivered(after);
    for (const id of parked) log.error({ event: id }, 'a chain has not ended within a day and was dead-lettered');
    after = rows < rowsPerStatement ? null : last;
  }
}
