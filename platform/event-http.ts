import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { CloudEvent, HTTP, type CloudEventV1 } from 'cloudevents';
import { Problem } from '#platform/problem.ts';

const hidden = 'shop-ce-';
const hiddenType = 'shop-content-type';

/**
 * Hides a CloudEvent from the function runtime, which would parse it twice and answer 500 – that Knative retries –
 * to one that it cannot read. The room's adapter reads it from the hidden headers and answers 400.
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
    if (seen.has(name)) return `The header ${name} is given twice.`;
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

const structured = /^application\/cloudevents\b/i;
const json = /^[^;]*[/+]json\s*(;|$)/i;

/** Reads the event of a request (CloudEvents HTTP binding 1.0, binary and structured mode). Throws `bad_event`. */
export function readEvent(headers: IncomingHttpHeaders, body: unknown): CloudEventV1<unknown> {
  try {
    const given = shown(headers);
    const contentType = given['content-type'] ?? '';
    const isStructured = structured.test(contentType);
    const time: unknown = isStructured ? (JSON.parse(textOf(body)) as { time?: unknown }).time : given['ce-time'];
    // the SDK would take the time of now in its place
    if (typeof time === 'string' && Number.isNaN(Date.parse(time))) throw new TypeError('its time is none');
    const event = HTTP.toEvent({ headers: given, body: isStructured ? textOf(body) : undefined });
    if (Array.isArray(event)) throw new TypeError('batch mode is not taken');
    if (event.specversion !== '1.0') throw new TypeError(`version ${event.specversion} is not known`);
    (event as CloudEvent).validate();
    return isStructured ? event : { ...event, data: readData(contentType, textOf(body)) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Problem('bad_event', `The request is not a CloudEvent 1.0: ${reason}.`, { cause: error });
  }
}

// not left to the SDK: it makes two errors for each body that it reads, which costs more than all the rest
function readData(contentType: string, text: string): unknown {
  if (text === '') return undefined;
  return json.test(contentType) ? (JSON.parse(text) as unknown) : text;
}

/** The same for a dead letter sink, which has to take what nobody could read: its data as the text that it is. */
export function readAnyEvent(headers: IncomingHttpHeaders, body: unknown): CloudEventV1<unknown> {
  try {
    return readEvent(headers, body);
  } catch {
    const attributes = Object.entries(shown(headers)).flatMap(([name, value]) =>
      name.startsWith('ce-') ? [[name.slice(3), String(value)] as const] : [],
    );
    const unknown = { specversion: '1.0', id: 'unknown', source: 'unknown', type: 'unknown' };
    return { ...unknown, ...Object.fromEntries(attributes), data: textOf(body) };
  }
}

function shown(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const restored: IncomingHttpHeaders = { 'content-type': headers[hiddenType]?.toString() };
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith(hidden)) restored[`ce-${name.slice(hidden.length)}`] = value;
  }
  return restored;
}

const textOf = (body: unknown): string =>
  Buffer.isBuffer(body) ? body.toString() : typeof body === 'string' ? body : '';

/** An event as the headers and body of an HTTP message, binary mode. */
export function writeEvent(event: CloudEventV1<unknown>): { headers: Record<string, string>; body: string } {
  const { headers, body } = HTTP.binary(new CloudEvent(event));
  return { headers: headers as Record<string, string>, body: body as string };
}
