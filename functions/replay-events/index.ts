import { validateHeaderValue } from 'node:http';
import { z } from 'zod';
import { newReplay } from '#api/admin.ts';
import { sendToBroker } from '#platform/events/broker-client.ts';
import type { ShopEvent } from '#platform/events/event.ts';
import { decodeEvent, rawBody, type RawEvent } from '#platform/events/event-codec.ts';
import { writeEvent } from '#platform/events/event-http.ts';
import { onAdminRequest } from '#platform/http/on-request.ts';
import { publish } from '#platform/events/outbox.ts';
import { Problem } from '#platform/http/problem.ts';
import { uuid } from '#platform/values/uuid.ts';
import { markUnsent, replayDeadLetter, replayDeadLetters, stopReplay } from './queries.ts';

// runs next to the handler: publishes outbox rows that are due
export { relay as background } from '#platform/events/outbox.ts';

const commands = z.discriminatedUnion('action', [
  z.strictObject({ action: z.literal('replay'), id: uuid }),
  newReplay.extend({ action: z.literal('replay-all') }),
  z.strictObject({ action: z.literal('stop') }),
]);

/** Replays dead letters for the administrator: one of them, or all of a type at a rate, until stopped. */
export const handle = onAdminRequest(commands, async ({ body }) => {
  switch (body.action) {
    case 'replay':
      await replayOne(body.id);
      return { status: 202, body: { replayed: 1 } };
    case 'replay-all':
      return { status: 202, body: { replayed: (await replayDeadLetters(body.type ?? null, body.rate)).length } };
    case 'stop':
      return { status: 200, body: { stopped: (await stopReplay()).length } };
    default:
      return body satisfies never;
  }
});

async function replayOne(id: string): Promise<void> {
  const deadLetter = await replayDeadLetter(id);
  if (!deadLetter) throw new Problem('not_found', 'There is no such dead letter.');
  if (deadLetter.isOpened) await publish(deadLetter.event);
  if (!deadLetter.verified) await sendUnchanged(id, deadLetter.event, deadLetter.body);
}

/**
 * Sends an event from an untrusted sender again, once and byte for byte, without a signature or an outbox row. It may
 * be parked again.
 */
async function sendUnchanged(id: string, stored: RawEvent, body: Buffer | null): Promise<void> {
  const event: RawEvent = { ...stored, ...(body && { [rawBody]: body }) };
  if (body === null && event.data === undefined) {
    await markUnsent(id);
    throw new Problem('not_replayable', 'Its data was too large to be stored. It stays parked.');
  }
  try {
    assertDeliverable(event);
  } catch (cause) {
    await markUnsent(id);
    throw new Problem('not_replayable', 'No broker accepts it as an event. It stays parked.', { cause });
  }
  await sendToBroker(event as ShopEvent).catch(async (cause: unknown) => {
    await markUnsent(id);
    throw new Problem('unavailable', 'The broker did not accept the event.', { retryAfterSeconds: 1, cause });
  });
}

/** Throws if a broker would reject the event. */
function assertDeliverable(event: RawEvent): void {
  const { headers, body } = writeEvent(event);
  for (const [name, value] of Object.entries(headers)) validateHeaderValue(name, value);
  decodeEvent(headers, Buffer.from(body), { versions: ['1.0', '0.3'], keepsBadJson: true });
}
