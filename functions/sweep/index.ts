import { log } from '#platform/log.ts';
import { onAnyEvent } from '#platform/on-event.ts';
import { most, republishDue } from '#platform/outbox.ts';
import { parkUndelivered } from './queries.ts';

/**
 * The backstop, called every minute: publishes what is due also when no publishing function runs, and parks
 * chains that have not ended within a day.
 */
export const handle = onAnyEvent(async () => {
  const parked = await parkUndelivered();
  for (const { id } of parked) log.error({ event: id }, 'a chain has not ended within a day and was parked');
  while ((await republishDue()) === most);
});
