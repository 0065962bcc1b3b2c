import type { IncomingHttpHeaders } from 'node:http';
import type { CloudEventV1 } from 'cloudevents';
import { decodeEvent, encodeEvent, rawBody, type RawEvent } from '#platform/events/event-codec.ts';

// The rules of Knative's CloudEvents SDK on top of the shop's own codec.

const versions = ['1.0', '0.3'];
const formats = /^application\/cloudevents(-batch)?\+json\s*(;|$)/i;
const json = /^[^;]*[/+]json\s*(;|$)/i;

/**
 * Whether a message declares itself a CloudEvent, in binary or structured mode (CloudEvents HTTP binding, section 3).
 */
export function claimsToBeEvent(headers: IncomingHttpHeaders): boolean {
  return versions.includes(String(headers['ce-specversion'])) || formats.test(headers['content-type'] ?? '');
}

/**
 * Reads a CloudEvent 1.0 or 0.3 from a message; returns what is wrong with it if it is invalid. `data` is the parsed
 * value of JSON, otherwise the bytes, or the string inside a structured event.
 */
export function readEvent(headers: IncomingHttpHeaders, body: Buffer): RawEvent | string {
  try {
    const event = decodeEvent(headers, body, { versions, keepsBadJson: true });
    assertAccepted(headers, event);
    return event;
  } catch (error) {
    return (error as Error).message;
  }
}

const mediaType = /^[\w!#$%&'*+.^`|~-]+(\/[\w!#$%&'*+.^`|~-]+)?\s*(;|$)/;

/**
 * Refuses what Knative's CloudEvents SDK refuses beyond the codec; truncates numbers to integers, as attributes are.
 */
function assertAccepted(headers: IncomingHttpHeaders, event: RawEvent): void {
  const { datacontenttype: type, dataschema, data } = event;
  if (type !== undefined && !mediaType.test(type)) throw new TypeError('datacontenttype must be a media type');
  if (headers['ce-datacontenttype'] !== undefined) throw new TypeError('datacontenttype is the content type');
  if (dataschema !== undefined && !/^[a-z][\w+.-]*:/i.test(dataschema))
    throw new TypeError('dataschema must be absolute');
  const isRaw = data === undefined || event[rawBody] !== undefined || typeof data === 'string';
  if (!isRaw && type !== undefined && !json.test(type)) throw new TypeError('data must be a string');
  for (const name in event) {
    const value = event[name];
    if (typeof value !== 'number' || name === 'data') continue;
    if (Math.abs(value) > 2 ** 31 - 1) throw new TypeError(`${name} is out of range`);
    event[name] = Math.trunc(value);
  }
}

/** An event that the ingress refuses. */
const incomplete = {} as CloudEventV1<unknown>;

/** Reads the event of a reply: in Knative only the ingress refuses a missing attribute. */
export function readReply(headers: IncomingHttpHeaders, body: Buffer): CloudEventV1<unknown> | string {
  const event = readEvent(headers, body);
  return typeof event === 'string' && event.endsWith(' is missing') ? incomplete : event;
}

/** An event as the headers and body of an HTTP message, in binary or (`json`) in structured mode. */
export function writeEvent(event: RawEvent, format?: 'json' | 'binary'): ReturnType<typeof encodeEvent> {
  const message = encodeEvent(event);
  // the codec adds one to data that arrived in the JSON format
  if (event.datacontenttype === undefined) delete message.headers['content-type'];
  if (format !== 'json') return message;
  const { data: _data, data_base64: _base64, ...attributes } = event;
  const body = JSON.stringify({ ...attributes, data: contentOf(event, message.body.toString()) });
  return { headers: { 'content-type': 'application/cloudevents+json' }, body };
}

function contentOf({ datacontenttype = 'application/json' }: RawEvent, body: string): unknown {
  if (body === '') return undefined;
  if (!json.test(datacontenttype)) return body;
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}
