import type { CloudEventV1 } from 'cloudevents';
import { z } from 'zod';
import { log } from '#platform/telemetry/log.ts';
import { retriesExhausted, unverifiedDropped } from '#platform/telemetry/metrics.ts';
import { onAnyEvent } from '#platform/events/on-event.ts';
import { settings, wholeNumber } from '#platform/runtime/settings.ts';
import { isRefusal, isVerified } from '#platform/events/signature.ts';
import { parkEvent } from './queries.ts';

/** How many events from untrusted senders are stored; what comes after them is only counted. */
const { UNVERIFIED_DEAD_LETTERS } = settings({ UNVERIFIED_DEAD_LETTERS: wholeNumber(1, 1_000_000).default(1_000) });

// a rate needs a sample before the first one
for (const counter of [retriesExhausted, unverifiedDropped]) counter.inc({ function: 'park-event' }, 0);

/**
 * The dead letter sink: takes every event whose delivery has failed and judges it. A verified one is parked, and its chain
 * ends – a person decides – only if a function of the shop has refused it and signed the refusal: `knativeerrorcode` can be
 * made up by whoever has seen an event, and a function without a new key answers 400 to a good one. Any other verified
 * event is only counted: its outbox row is open and is published again, or closed because its chain has ended. An
 * unverified one is parked and ends nothing.
 *
 * A signed refusal that was seen can be posted again: at most it ends the chain of the same event once more while it is
 * being replayed. `sweep` opens that chain again.
 */
export const handle = onAnyEvent(async (event) => {
  const verified = isVerified(event);
  const body = bodyOf(event['knativeerrordata']);
  if (verified && !isRefused(event, body)) {
    retriesExhausted.inc({ function: 'park-event' });
    const code = event['knativeerrorcode'];
    log.warn(
      { event: event.id, type: event.type, code },
      'a delivery has failed; the outbox publishes its chain again',
    );
    return;
  }
  // nothing signed is stored
  const detail = body.replace(/"refusal":"[^"]*",?/, '');
  if (!(await parkEvent({ event, verified, detail, maxUnverified: UNVERIFIED_DEAD_LETTERS }))) {
    unverifiedDropped.inc({ function: 'park-event' });
    log.debug({ event: event.id, type: event.type }, 'an unverified event was not stored: there are too many');
    return;
  }
  log.error({ event: event.id, type: event.type, verified }, 'an event was parked');
});

/** The body of the response to the last delivery (base64, cut by the broker). */
function bodyOf(data: unknown): string {
  return typeof data === 'string' ? Buffer.from(data, 'base64').toString() : '';
}

const signedRefusal = z.object({ by: z.string(), code: z.string(), refusal: z.string() });

function isRefused(event: CloudEventV1<unknown>, body: string): boolean {
  const { by, code, refusal } = signedRefusal.safeParse(asJson(body)).data ?? {};
  return by !== undefined && code !== undefined && refusal !== undefined && isRefusal(event, { by, code }, refusal);
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
