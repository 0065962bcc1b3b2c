import type { CloudEventV1 } from 'cloudevents';
import type { z } from 'zod';

/**
 * A CloudEvent 1.0 as it travels inside a process: the attributes and extensions as plain properties.
 * Extension names are lowercase letters and digits (CloudEvents 1.0, section 3.1).
 */
export interface ShopEvent extends CloudEventV1<unknown> {
  time: string;
  subject: string;
  /** id of the event that began this chain; also the key of the chain's outbox row. */
  correlationid: string;
  /** id of the event that led to this one; its own id at the start of a chain. */
  causationid: string;
  /** user id: events of one customer stay together (CloudEvents Partitioning extension). */
  partitionkey: string;
  /** W3C trace context, where the caller sent one (CloudEvents Distributed Tracing extension). */
  traceparent?: string;
}

/** One kind of event: its type, its producer, and the shape of its data. */
export interface EventContract<Data extends EventData = EventData> {
  readonly type: string;
  /** What has happened, in a sentence. */
  readonly summary: string;
  /** The function that produces it; the event's `source` is `/shop/<producer>`. */
  readonly producer: string;
  readonly source: string;
  /** What happened, in the id of its events. */
  readonly happened: string;
  readonly data: z.ZodType<Data>;
  readonly sample: Data;
  /** Something that happened, ready to be published. `at` is when; without it, when its chain begins or continues. */
  create(data: Data, at?: Date): DomainEvent;
}

/** What identifies a kind of event, whatever its data is. */
export type EventType = Pick<EventContract, 'type' | 'producer' | 'source' | 'happened'>;

/** The id of an event about an object: `<object id>.<what happened>`. */
export const eventIdOf = ({ happened }: EventType, objectId: string): string => `${objectId}.${happened}`;

/** What each event carries: ids and amounts, never personal data. */
export interface EventData {
  userId: string;
}

/** Something that happened. `id` is `<object id>.<what happened>`: stable, so that a repetition has the same id. */
export interface DomainEvent {
  readonly type: string;
  readonly source: string;
  readonly id: string;
  readonly subject: string;
  readonly userId: string;
  readonly time: string | undefined;
  readonly data: EventData;
}

interface Definition<Data extends EventData> {
  summary: string;
  producer: string;
  /** The id of the object that the event is about. */
  subject: (data: Data) => string;
  /**
   * What happened to it, in the id of the event; by default the past tense of the type. An id has to be unique by itself,
   * without the source: a durable broker may drop a second event with the same one (NATS JetStream, `Nats-Msg-Id`).
   */
  happened?: string;
  data: z.ZodType<Data>;
  sample: Data;
}

/** Defines one event contract; `type` is `shop.<object>.<past tense>.v<major>`. */
export function defineEvent<Data extends EventData>(
  type: `shop.${string}.${string}.v${number}`,
  { summary, producer, subject, happened = type.split('.')[2] ?? '', data, sample }: Definition<Data>,
): EventContract<Data> {
  const source = `/shop/${producer}`;
  return {
    type,
    summary,
    producer,
    source,
    happened,
    data,
    sample,
    create: (of, at) => {
      const id = `${subject(of)}.${happened}`;
      return { type, source, id, subject: subject(of), userId: of.userId, time: at?.toISOString(), data: of };
    },
  };
}

interface Beginning {
  /** The time of an event that has none of its own; milliseconds since 1970, of the database's clock. */
  now?: number;
  /** W3C trace context. */
  traceparent?: string | undefined;
}

/** The event that begins a chain. */
export function beginChain(event: DomainEvent, { now = Date.now(), traceparent }: Beginning = {}): ShopEvent {
  return envelope(event, { correlationid: event.id, causationid: event.id }, now, traceparent);
}

/** The event that follows `cause` in its chain. */
export function continueChain(event: DomainEvent, cause: ShopEvent, now = Date.now()): ShopEvent {
  const { id: causationid, correlationid, traceparent } = cause;
  return envelope(event, { correlationid, causationid }, now, traceparent);
}

function envelope(
  { id, source, type, subject, time, userId, data }: DomainEvent,
  ids: { correlationid: string; causationid: string },
  now: number,
  traceparent?: string,
): ShopEvent {
  return {
    specversion: '1.0',
    id,
    source,
    type,
    subject,
    time: time ?? new Date(now).toISOString(),
    datacontenttype: 'application/json',
    ...ids,
    partitionkey: userId,
    ...(traceparent !== undefined && { traceparent }),
    data,
  };
}
