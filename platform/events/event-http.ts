import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { binaryAttributes, decodeEvent, encodeEvent, rawBody, type RawEvent } from '#platform/events/event-codec.ts';
import { Problem } from '#platform/http/problem.ts';

const hidden = 'shop-ce-';
const hiddenType = 'shop-content-type';

/**
 * Hides a CloudEvent from the function runtime, which would parse it twice and return 500 – which Knative retries –
 * for one that it cannot read. The function reads it from the hidden headers and returns 400.
 * Returns what is wrong with the request, if something is.
 */
export function hideEvent(request: IncomingMessage): string | undefined {
  if (request.method === 'POST' && request.url !== '/') return 'A function is called at / without a query.';
  const { headers, rawHeaders } = request;
  const seen = new Set<string>();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]?.toLowerCase() ?? '';
    if (name.startsWith(hidden) || name === hiddenType) return `The header ${name} is not for callers.`;
    if (!name.startsWith('ce-')) continue;
    // node joins repeated headers into one value
    if (seen.has(name)) return `The header ${name} is repeated.`;
    seen.add(name);
    headers[hidden + name.slice(3)] = headers[name];
    delete headers[name];
  }
  if (seen.size > 0 || headers['content-type']?.toLowerCase().startsWith('application/cloudevents')) {
    headers[hiddenType] = headers['content-type'] ?? '';
    headers['content-type'] = 'application/octet-stream';
  }
  return undefined;
}

/** Whether a request brought an event. */
export const isEvent = (headers: IncomingHttpHeaders): boolean => hiddenType in headers;

const leniency = { versions: ['1.0'] };

/** Reads the event of a request (CloudEvents HTTP binding 1.0, binary and structured mode). Throws `bad_event`. */
export function readEvent(headers: IncomingHttpHeaders, body: unknown): RawEvent {
  try {
    return decodeEvent(shown(headers), bytesOf(body), leniency);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Problem('bad_event', `The request is not a CloudEvent 1.0: ${reason}.`, { cause: error });
  }
}

/** The same for a dead letter sink, which has to accept unreadable events: it takes their data as plain bytes. */
export function readAnyEvent(headers: IncomingHttpHeaders, body: unknown): RawEvent {
  try {
    return readEvent(headers, body);
  } catch {
    const given = shown(headers);
    const unknown = { specversion: '1.0', id: 'unknown', source: 'unknown', type: 'unknown' };
    const event: RawEvent = { ...unknown, ...binaryAttributes(given), data: bytesOf(body) };
    if (given['content-type']) event.datacontenttype = given['content-type'];
    event[rawBody] = bytesOf(body);
    return event;
  }
}

function shown(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const restored: IncomingHttpHeaders = {};
  const contentType = headers[hiddenType];
  if (contentType) restored['content-type'] = contentType.toString();
  for (const name in headers) {
    if (name.startsWith(hidden)) restored[`ce-${name.slice(hidden.length)}`] = headers[name];
  }
  return restored;
}

const bytesOf = (body: unknown): Buffer =>
  Buffer.isBuffer(body) ? body : Buffer.from(typeof body === 'string' ? body : '');

/** An event as the headers and body of an HTTP message, binary mode. */
export const writeEvent = encodeEvent;
