import type { IncomingHttpHeaders } from 'node:http';
import type { CloudEventV1 } from 'cloudevents';

// Reads and writes CloudEvents over HTTP without changing them. The SDK adds a time and a content type that an event does
// not have, and does not decode headers.

/**
 * The bytes of an event's data as they arrived. They travel with the event object inside a process, and are written in
 * place of its data: a dead letter is stored and replayed byte for byte.
 */
export const rawBody = Symbol('raw body');

export type RawEvent = CloudEventV1<unknown> & { [rawBody]?: Buffer };

interface Leniency {
  /** Versions of CloudEvents that are read. */
  versions: readonly string[];
  /** Whether data that is declared as JSON but is not JSON is passed on as bytes, for the subscriber to refuse. */
  keepsBadJson?: boolean;
}

const structured = /^application\/cloudevents\+json\s*(;|$)/i;
const json = /^[^;]*[/+]json\s*(;|$)/i;

/**
 * Reads an event in binary or structured mode (CloudEvents HTTP binding 1.0.2, section 3); throws a TypeError that says
 * what is wrong.
 */
export function decodeEvent(headers: IncomingHttpHeaders, body: Buffer, leniency: Leniency): RawEvent {
  const contentType = headers['content-type'];
  if (structured.test(contentType ?? '')) return decodeStructured(body, leniency);
  if (/^application\/cloudevents\b/i.test(contentType ?? '')) throw new TypeError('batch mode is not accepted');
  const attributes = binaryAttributes(headers);
  assertValid(attributes, leniency.versions);
  if (contentType) attributes['datacontenttype'] = contentType;
  const data = dataOf(contentType, body, leniency);
  const event = { ...attributes, ...(data !== undefined && { data }) } as unknown as RawEvent;
  event[rawBody] = body;
  return event;
}

/** The attributes of an event in binary mode, whatever they hold. */
export function binaryAttributes(headers: IncomingHttpHeaders): Record<string, unknown> {
  const attributes: Record<string, unknown> = {};
  for (const name in headers) {
    if (name.startsWith('ce-')) attributes[name.slice(3)] = decodeValue(String(headers[name]));
  }
  return attributes;
}

function decodeStructured(body: Buffer, { versions }: Leniency): RawEvent {
  const given: unknown = JSON.parse(body.toString());
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw new TypeError('it is not an object');
  const { data, data_base64: base64, ...rest } = given as Record<string, unknown>;
  // an attribute that is null is absent (JSON format 1.0.2, section 2.2)
  const attributes = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null));
  assertValid(attributes, versions);
  const event = attributes as unknown as RawEvent;
  if (base64 !== undefined && base64 !== null) {
    if (typeof base64 !== 'string' || !isBase64(base64)) throw new TypeError('data_base64 must be base64');
    if (data !== undefined) throw new TypeError('data and data_base64 exclude each other');
    event[rawBody] = Buffer.from(base64, 'base64');
    event.data = event[rawBody];
  } else if (data !== undefined) {
    event.data = data;
  }
  return event;
}

const isBase64 = (text: string): boolean => /^[A-Za-z0-9+/]*={0,2}$/.test(text) && text.length % 4 === 0;

function assertValid(given: Record<string, unknown>, versions: readonly string[]): void {
  for (const name of ['id', 'source', 'type']) {
    if (typeof given[name] !== 'string' || given[name] === '') throw new TypeError(`${name} is missing`);
  }
  if (!versions.includes(given['specversion'] as string)) {
    throw new TypeError(`specversion must be ${versions.join(' or ')}`);
  }
  if (given['time'] !== undefined && !isTime(given['time'])) throw new TypeError('time must be one of RFC 3339');
  for (const name in given) {
    if (!/^[a-z0-9]+$/.test(name) || name === 'data') throw new TypeError('names are lowercase letters and digits');
    const value = given[name];
    if (typeof value === 'object') throw new TypeError(`${name} must be a plain value`);
  }
}

const time = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/;

/** Whether a text is a date and time (RFC 3339, section 5.6). A leap second is one. */
function isTime(value: unknown): boolean {
  const [, year, month, day, hour, minute, second] = time.exec(typeof value === 'string' ? value : '') ?? [];
  if (year === undefined) return false;
  const lastDay = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate();
  const isDate = Number(month) >= 1 && Number(month) <= 12 && Number(day) >= 1 && Number(day) <= lastDay;
  return isDate && Number(hour) < 24 && Number(minute) < 60 && Number(second) <= 60;
}

function dataOf(contentType: string | undefined, body: Buffer, { keepsBadJson }: Leniency): unknown {
  if (body.length === 0) return undefined;
  if (!json.test(contentType ?? '')) return body;
  try {
    return JSON.parse(body.toString()) as unknown;
  } catch (error) {
    if (keepsBadJson) return body;
    throw error;
  }
}

/** An event as the headers and body of an HTTP message, binary mode. */
export function encodeEvent(event: RawEvent): { headers: Record<string, string>; body: string | Buffer } {
  const headers: Record<string, string> = {};
  for (const name in event) {
    const value = event[name];
    if (name === 'data' || name === 'data_base64' || value === undefined || value === null) continue;
    // oxlint-disable-next-line typescript/no-base-to-string -- attributes are plain values
    const text = String(value);
    if (name === 'datacontenttype') headers['content-type'] = text;
    else headers[`ce-${name}`] = encodeValue(text);
  }
  // data that came in the JSON format without a type is JSON (JSON format 1.0.2, section 3.1)
  const isJson = event[rawBody] === undefined && event.data !== undefined && !ArrayBuffer.isView(event.data);
  if (isJson) headers['content-type'] ??= 'application/json';
  return { headers, body: event[rawBody] ?? bodyOf(event) };
}

function bodyOf({ data, data_base64: base64, datacontenttype = 'application/json' }: RawEvent): string | Buffer {
  if (base64 !== undefined) return Buffer.from(base64, 'base64');
  if (data === undefined) return '';
  if (ArrayBuffer.isView(data)) return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return typeof data === 'string' && !json.test(datacontenttype) ? data : JSON.stringify(data);
}

// HTTP binding, section 3.1.3.2: all but the visible ASCII characters, and of these the quote and the percent sign
const plain = /^[\x21\x23\x24\x26-\x7e]*$/;

const encodeValue = (value: string): string =>
  plain.test(value)
    ? value
    : value
        .toWellFormed()
        .replaceAll(/[^\x21\x23\x24\x26-\x7e]/gu, (character) =>
          [...Buffer.from(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
        );

function decodeValue(value: string): string {
  // a quoted value is taken without its quotes (section 3.1.3.2)
  const bare = value.length > 1 && value.startsWith('"') && value.endsWith('"') ? unquoted(value) : value;
  if (/[\x80-\xff]/.test(bare)) return asUtf8(bare);
  if (!bare.includes('%')) return bare;
  try {
    return decodeURIComponent(bare);
  } catch {
    return bare; // not percent-encoded
  }
}

/** Knative's own SDK sends UTF-8 as it is, which HTTP reads as Latin-1. */
function asUtf8(value: string): string {
  const text = Buffer.from(value, 'latin1').toString();
  return text.includes('\ufffd') ? value : text;
}

const unquoted = (value: string): string => value.slice(1, -1).replaceAll(/\\(.)/g, '$1');
