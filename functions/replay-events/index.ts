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

export { relay as background } from '#platform/events/outbox.ts';

const wanted = z.discriminatedUnion('action', [
  z.strictObject({ action: z.literal('replay'), id: uuid }),
  newReplay.extend({ action: z.literal('replay-all') }),
  z.strictObject({ action: z.literal('stop') }),
]);

/** Brings parked events back, for the administrator: one, all of a type at a rate, or no more of them. */
export const handle = onAdminRequest(wanted, async ({ body }) => {
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
  const letter = await replayDeadLetter(id);
  if (!letter) throw new Problem('not_found', 'There is no such dead letter.');
  if (letter.isOpened) await publish(letter.event);
  if (!letter.verified) await sendAsItWas(id, letter.event, letter.body);
}

/**
 * An event from an untrusted sender is not signed and gets no outbox row: it is sent once, byte for byte, and may be parked
 * again.
 */
async function sendAsItWas(id: string, stored: RawEvent, body: Buffer | null): Promise<void> {
  const event: RawEvent = { ...stored, ...(body && { [rawBody]: body }) };
  if (body === null && event.data === undefined) {
    await markUnsent(id);
    throw new Problem('not_replayable', 'Its data was too large to be stored. It stays parked.');
  }
  try {
    for (const [name, value] of Object.entries(writeEvent(event).headers)) validateHeaderValue(name, value);
    // what a broker would refuse is not sent
    readSent(event);
  } catch (cause) {
    await markUnsent(id);
    throw new Problem('not_replayable', 'It is not an event that a broker takes. It stays parked.', { cause });
  }
  await sendToBroker(event as ShopEvent).catch(async (cause: unknown) => {
    await markUnsent(id);
    throw new Problem('unavailable', 'The broker did not take the event.', { retryAfterSeconds: 1, cause });
  });
}

function readSent(event: RawEvent): void {
  const { headers, body } = writeEvent(event);
  decodeEvent(headers, Buffer.from(body), { versions: ['1.0', '0.3'], keepsBadJson: true });
}
