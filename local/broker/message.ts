import type { IncomingHttpHeaders } from 'node:http';
import { decodeEvent, type RawEvent } from '#platform/event-codec.ts';

export { encodeEvent as writeEvent } from '#platform/event-codec.ts';

/** Whether a message says that it is a CloudEvent, in binary or in structured mode (CloudEvents HTTP binding, section 3). */
export function claimsToBeEvent(headers: IncomingHttpHeaders): boolean {
  return headers['ce-specversion'] !== undefined || /^application\/cloudevents\b/i.test(headers['content-type'] ?? '');
}

const leniency = { versions: ['1.0', '0.3'], keepsBadJson: true };

/**
 * Reads a CloudEvent 1.0 or 0.3 from a message; throws if it is none.
 * `data` is what the JSON says where the content is JSON, otherwise the bytes, or the text inside a structured event.
 */
export const readEvent = (headers: IncomingHttpHeaders, body: Buffer): RawEvent => decodeEvent(headers, body, leniency);
