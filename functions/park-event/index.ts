import { log } from '#platform/log.ts';
import { givenUp } from '#platform/metrics.ts';
import { onAnyEvent } from '#platform/on-event.ts';
import { isVerified } from '#platform/signature.ts';
import { parkEvent } from './queries.ts';

givenUp.inc({ function: 'park-event' }, 0); // a rate needs a sample before the first one

/**
 * The dead letter sink: takes any event that was given up and judges it. One of ours that was refused is parked
 * and its chain ends – a person decides. Somebody else's is parked and ends nothing. One of ours that failed for
 * another reason is only counted: its outbox row is open and will be repeated, or closed because the chain has ended.
 */
export const handle = onAnyEvent(async (event) => {
  const verified = isVerified(event);
  const code = event['knativeerrorcode'];
  if (verified && String(code) !== '400') {
    givenUp.inc({ function: 'park-event' });
    log.warn({ event: event.id, type: event.type, code }, 'a delivery was given up; the outbox will repeat the chain');
    return;
  }
  await parkEvent({ event, verified, detail: errorText(event['knativeerrordata']) });
  log.error({ event: event.id, type: event.type, verified }, 'an event was parked');
});

/** The answer of the function that refused the event (base64, cut by the broker). */
function errorText(data: unknown): string {
  return typeof data === 'string' ? Buffer.from(data, 'base64').toString() : '';
}
