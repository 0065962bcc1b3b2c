import type { IncomingHttpHeaders } from 'node:http';
import { HTTP, type CloudEventV1 } from 'cloudevents';

type Attributes = Record<string, unknown>;

const STRUCTURED = /^application\/cloudevents\+json\s*(;|$)/i;
const JSON_TYPE = /^[^;]*[/+]json\s*(;|$)/i;

/** Whether a message says that it is a CloudEvent, in binary or in structured mode (CloudEvents HTTP binding, section 3). */
export function claimsToBeEvent(headers: IncomingHttpHeaders): boolean {
  return headers['ce-specversion'] !== undefined || /^application\/cloudevents\b/i.test(headers['content-type'] ?? '');
}

/**
 * Reads a CloudEvent 1.0 or 0.3 from a message; throws if it is none.
 * `data` is what the JSON says where the content is JSON, otherwise the bytes, or the text inside a structured event.
 */
export function readEvent(headers: IncomingHttpHeaders, body: Buffer): CloudEventV1<unknown> {
  return STRUCTURED.test(headers['content-type'] ?? '') ? readStructured(body) : readBinary(headers, body);
}

/** Writes an event in binary mode. */
export function writeEvent(event: CloudEventV1<unknown>): { headers: Record<string, string>; body: string | Buffer } {
  const { data, data_base64: base64, ...attributes } = event;
  const { headers } = HTTP.binary({ ...attributes, data: undefined });
  return {
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)])),
    body: writeData(event.datacontenttype, base64 === undefined ? data : Buffer.from(base64, 'base64')),
  };
}

function readStructured(body: Buffer): CloudEventV1<unknown> {
  const given = JSON.parse(body.toString('utf8')) as Attributes;
  const { data, data_base64: _, ...attributes } = given;
  assertValid(attributes);
  const read = HTTP.toEvent({ headers: { 'content-type': 'application/cloudevents+json' }, body: given });
  const base64 = 'data_base64' in read ? read.data_base64 : undefined;
  return plain(read, attributes, base64 === undefined ? data : Buffer.from(base64, 'base64'));
}

function readBinary(headers: IncomingHttpHeaders, body: Buffer): CloudEventV1<unknown> {
  const named = Object.entries(headers).filter(([name]) => name.startsWith('ce-'));
  const attributes = Object.fromEntries(named.map(([name, value]) => [name.slice('ce-'.length), value]));
  assertValid(attributes);
  const read = HTTP.toEvent({ headers: headers, body: undefined });
  return plain(read, attributes, readData(headers['content-type'], body));
}

/** The event as a plain object, without what the SDK makes up: a time where none was given, attributes without a value. */
function plain(read: object, given: Attributes, data: unknown): CloudEventV1<unknown> {
  const { time, data: _data, data_base64: _base64, ...attributes } = read as CloudEventV1<unknown>;
  const set = Object.entries({ ...attributes, time: given['time'] && time, data }).filter(
    ([, value]) => value !== undefined,
  );
  return Object.fromEntries(set) as unknown as CloudEventV1<unknown>;
}

// The SDK's parser is lenient: it makes up an id, takes any version and replaces an unreadable time by now.
function assertValid(given: Attributes): void {
  for (const name of ['id', 'source', 'type']) {
    if (typeof given[name] !== 'string' || given[name] === '') throw new Error(`${name} is missing`);
  }
  if (given['specversion'] !== '1.0' && given['specversion'] !== '0.3')
    throw new Error('specversion must be 1.0 or 0.3');
  const { time } = given;
  const isTime = typeof time === 'string' && !Number.isNaN(Date.parse(time));
  if (time !== undefined && !isTime) throw new Error('time is unreadable');
  for (const [name, value] of Object.entries(given)) {
    if (!/^[a-z0-9]+$/.test(name) || name === 'data') throw new Error('names are lowercase letters and digits');
    if (typeof value === 'object' && value !== null) throw new Error(`${name} must be a plain value`);
  }
}

/** Content that says it is JSON and is not goes on as it came: to refuse it is the subscriber's business, not the broker's. */
function readData(contentType: string | undefined, body: Buffer): unknown {
  if (body.length === 0) return undefined;
  if (!JSON_TYPE.test(contentType ?? '')) return body;
  try {
    return JSON.parse(body.toString('utf8')) as unknown;
  } catch {
    return body;
  }
}

function writeData(contentType = 'application/json', data: unknown): string | Buffer {
  if (data === undefined) return '';
  if (ArrayBuffer.isView(data)) return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return typeof data === 'string' && !JSON_TYPE.test(contentType) ? data : JSON.stringify(data);
}
