import { onAnyEvent } from '#platform/events/on-event.ts';
import { parkUndelivered, rowsPerStatement } from './queries.ts';
import { reconcile } from './reconcile.ts';

// the next ping comes within a minute, and continues where this one stopped
const timeoutMs = 20_000;

/**
 * The backstop, called every minute: publishes what is due even if no publishing function runs, parks chains that have
 * not ended within a day, and reopens chains that have lost their outbox row. A part that fails does not stop the
 * others, but the call fails.
 */
export const handle = onAnyEvent(({ database, outbox, clock, log }) => {
  const republish = async () => {
    const until = performance.now() + timeoutMs;
    while ((await outbox.republishDue()) > 0 && performance.now() < until);
  };

  const park = async () => {
    const until = performance.now() + timeoutMs;
    for (let after: string | null = ''; after !== null && performance.now() < until;) {
      const { rows, last, parked } = await parkUndelivered(database, after);
      for (const id of parked) log.error({ event: id }, 'a chain has not ended within a day and was dead-lettered');
      after = rows < rowsPerStatement ? null : last;
    }
  };

  return async () => {
    const failures: unknown[] = [];
    for (const part of [republish, park, () => reconcile(database, new Date(clock.now())), republish]) {
      await part().catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
  };
});
