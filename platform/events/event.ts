import type { CloudEventV1 } from 'cloudevents';
import type { z } from 'zod';
import { now } from '#platform/database/clock.ts';

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

/** One kind of event: its type, who produces it, and the shape of its data. */
export interface EventContract<Data extends EventData = EventData> {
  readonly type: string;
  /** What has happened, in a sentence. */
  readonly summary: string;
  /** The function that produces it; the event's `source` is `/shop/<producer>`. */
  readonly producer: string;
  readonly source: string;
  readonly data: z.ZodType<Data>;
  readonly sample: Data;
  /** Something that happened, ready to be announced. `at` is when; now if it is not given. */
  create(data: Data, at?: Date): DomainEvent;
}

/** What each event carries: ids and amounts, never personal data. */
export interface EventData {
  userId: string;
}

/** Something that happened. `id` is `<object id>.<what happened>`: stable, so a repeat repeats it. */
export interface DomainEvent {
  readonly type: string;
  readonly source: string;
  readonly id: string;
  readonly subject: string;
  readonly userId: string;
  readonly time: string;
  readonly data: EventData;
}

interface Definition<Data extends EventData> {
  summary: string;
  producer: string;
  /** The id of the object that the event is about. */
  subject: (data: Data) => string;
  data: z.ZodType<Data>;
  sample: Data;
}

/** Defines one event contract; `type` is `shop.<object>.<past tense>.v<major>`. */
export function defineEvent<Data extends EventData>(
  type: `shop.${string}.${string}.v${number}`,
  { summary, producer, subject, data, sample }: Definition<Data>,
): EventContract<Data> {
  const happened = type.split('.')[2] ?? '';
  const source = `/shop/${producer}`;
  return {
    type,
    summary,
    producer,
    source,
    data,
    sample,
    create: (of, at = new Date(now())) => {
      const id = `${subject(of)}.${happened}`;
      return { type, source, id, subject: subject(of), userId: of.userId, time: at.toISOString(), data: of };
    },
  };
}

/** The event that begins a chain. */
export function beginChain(fact: DomainEvent, traceparent?: string): ShopEvent {
  return envelope(fact, fact.id, fact.id, traceparent);
}

/** The event that follows `cause` in its chain. */
export function continueChain(fact: DomainEvent, cause: ShopEvent): ShopEvent {
  return envelope(fact, cause.correlationid, cause.id, cause.traceparent);
}

function envelope(fact: DomainEvent, correlationid: string, causationid: string, traceparent?: string): ShopEvent {
  return {
    specversion: '1.0',
    id: fact.id,
    source: fact.source,
    type: fact.type,
    subject: fact.subject,
    time: fact.time,
    datacontenttype: 'application/json',
    correlationid,
    causationid,
    partitionkey: fact.userId,
    ...(traceparent !== undefined && { traceparent }),
    data: fact.data,
  };
}
