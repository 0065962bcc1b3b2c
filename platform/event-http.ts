import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { CloudEvent, HTTP, type CloudEventV1 } from 'cloudevents';
import { Problem } from '#platform/problem.ts';

const hidden = 'shop-ce-';
const structuredMark = 'shop-structured';

/**
 * Hides a CloudEvent from the function runtime, which would parse it twice and answer 500 – that Knative retries –
 * to one that it cannot read. The room's adapter reads it from the hidden headers and answers 400.
 * Returns what is wrong with the request, if something is.
 */
export function hideEvent(request: IncomingMessage): string | undefined {
  if (request.method === 'POST' && request.url !== '/') return 'A function is called at / without a query.';
  const { headers } = request;
  const seen = new Set<string>();
  for (let index = 0; index < request.rawHeaders.length; index += 2) {
    const name = request.rawHeaders[index]?.toLowerCase() ?? '';
    if (!name.startsWith('ce-')) continue;
    // node joins repeated headers into one value
    if (seen.has(name)) return `The header ${name} is given twice.`;
    seen.add(name);
    headers[hidden + name.slice(3)] = headers[name];
    delete headers[name];
  }
  if (headers['content-type']?.toLowerCase().startsWith('application/cloudevents')) {
    headers[structuredMark] = headers['content-type'];
    headers['content-type'] = 'application/octet-stream';
  }
  return undefined;
}

/** Whether a request brought an event, as far as `hideEvent` could see. */
export function isEvent(headers: IncomingHttpHeaders): boolean {
  return structuredMark in headers || Object.keys(headers).some((name) => name.startsWith(hidden));
}

/** Reads the event of a request (CloudEvents HTTP binding 1.0, binary and structured mode). Throws `bad_event`. */
export function readEvent(headers: IncomingHttpHeaders, body: unknown): CloudEventV1<unknown> {
  const restored: IncomingHttpHeaders = {};
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith(hidden)) restored[`ce-${name.slice(hidden.length)}`] = value;
  }
  restored['content-type'] = headers[structuredMark]?.toString() ?? headers['content-type'];
  try {
    const event = HTTP.toEvent({ headers: restored, body: Buffer.isBuffer(body) ? body.toString() : body });
    if (Array.isArray(event)) throw new TypeError('batch mode is not taken');
    (event as CloudEvent).validate();
    return event;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Problem('bad_event', `The request is not a CloudEvent 1.0: ${reason}.`, { cause: error });
  }
}

/** An event as the headers and body of an HTTP answer, binary mode. */
export function writeEvent(event: CloudEventV1<unknown>): { headers: Record<string, string>; body: string } {
  const { headers, body } = HTTP.binary(new CloudEvent(event));
  return { headers: headers as Record<string, string>, body: body as string };
}
