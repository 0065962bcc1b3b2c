import { setTimeout as delay } from 'node:timers/promises';
import type { CloudEventV1 } from 'cloudevents';
import {
  deadLetter,
  isDelivered,
  isOverlong,
  isRetried,
  waitMs,
  type SubscriberResponse,
  type Deliver,
  type DeliverOptions,
} from '#local/broker/delivery.ts';
import { planFaults, type Faults } from '#local/broker/faults.ts';
import { indexByType } from '#local/broker/filters.ts';
import type { Delivery, Manifests, Trigger } from '#local/broker/manifests.ts';

export type { SubscriberResponse, Deliver } from '#local/broker/delivery.ts';

/** 202 = delivered, dead-lettered or wanted by no Trigger; 400 = no event, or its TTL is used up; 500 = lost. */
export type IngestStatus = 202 | 400 | 500;

export interface Broker {
  /** `/<namespace>/<name>`: where it listens over HTTP. */
  readonly path: string;
  /** Accepts an event. As with Knative's in-memory channel it resolves after all subscribers, retries and replies. */
  ingest(event: CloudEventV1<unknown>, options?: IngestOptions): Promise<{ status: IngestStatus }>;
  /** Resolves when nothing is in flight. */
  idle(): Promise<void>;
  /** Accepts nothing more and retries nothing; resolves when the deliveries in flight have their responses. */
  close(): Promise<void>;
}

export interface IngestOptions {
  /** How many more times the event and its replies may enter. */
  ttl?: number;
  /** Aborted when the producer is gone: deliveries end, and nothing more is retried, dead-lettered or replied. */
  signal?: AbortSignal;
}

interface Options {
  manifests: Manifests;
  deliver: Deliver;
  /** What goes wrong, in tests. */
  faults?: Partial<Faults> | undefined;
  /** Called for each event that is lost: no dead letter sink, the sink failed too, or nobody waits any more. */
  onDrop?: ((event: CloudEventV1<unknown>, reason: string) => void) | undefined;
  /** Called when retries are exhausted. Ids only. */
  log?: ((message: string, cause?: unknown) => void) | undefined;
  /** Called with what would end Knative's dispatcher, and every delivery in flight with it; written to stderr by default. */
  onError?: (message: string) => void;
}

const FIRST_TTL = 255;
const DISPATCHER_ENDS = "Knative's in-memory dispatcher would end here";
const MAX_INTEGER = 2 ** 31 - 1;
const NO_RESPONSE: SubscriberResponse = { status: -1 };
const REPLY_TIMED_OUT: SubscriberResponse = { status: -1, body: 'dispatch error: the reply took too long' };

/** An event in flight: how often it may still enter, and whether its producer still waits. */
interface Passage {
  event: CloudEventV1<unknown>;
  ttl: number;
  signal: AbortSignal | undefined;
}

/**
 * A broker as Knative's multi-tenant one on the in-memory channel, in this process (conformance.ts has the rules).
 * Nothing is serialised: subscribers share the event object and must not change it.
 */
export function createBroker({ manifests, deliver, faults, onDrop, log, onError = complain }: Options): Broker {
  const { name, namespace } = manifests.broker;
  const path = `/${namespace}/${name}`;
  const wantedBy = indexByType(manifests.triggers);
  const plan = faults && planFaults(faults);
  const closing = new AbortController();
  let inFlight = 0;
  const waiting: (() => void)[] = [];

  async function ingest(
    event: CloudEventV1<unknown>,
    { ttl = enteringTtl(event), signal }: IngestOptions = {},
  ): Promise<{ status: IngestStatus }> {
    if (!isEvent(event) || !(ttl > 0)) return { status: 400 };
    if (closing.signal.aborted) return { status: 500 };
    inFlight += 1;
    try {
      const passage = { event, ttl, signal };
      const delivered = plan ? await dispatchWithFaults(passage, plan()) : await dispatch(passage);
      return { status: delivered ? 202 : 500 };
    } finally {
      inFlight -= 1;
      if (inFlight === 0) waiting.splice(0).forEach((resolve) => resolve());
    }
  }

  async function dispatchWithFaults(passage: Passage, delays: readonly number[]): Promise<boolean> {
    const copies = delays.map(async (ms) => {
      if (ms > 0) await pause(ms, passage.signal);
      const end = endOf(passage);
      return end === undefined ? dispatch(passage) : drop(passage.event, end);
    });
    return (await Promise.all(copies)).every(Boolean);
  }

  /** Whether every Trigger's subscriber, or its dead letter sink, has it now. */
  async function dispatch(given: Passage): Promise<boolean> {
    const passage = { ...given, event: arriving(given.event) };
    const triggers = wantedBy(passage.event);
    const [only] = triggers;
    if (!only) return true;
    if (triggers.length === 1) return deliverTo(only, passage);
    return (await Promise.all(triggers.map((trigger) => deliverTo(trigger, passage)))).every(Boolean);
  }

  async function deliverTo(trigger: Trigger, passage: Passage): Promise<boolean> {
    const { subscriber, delivery } = trigger;
    const { event, ttl, signal } = passage;
    const { format } = delivery;
    const response = await tries(delivery, passage, async () => {
      const given = await send(subscriber, event, { timeoutMs: delivery.timeoutMs, format, signal });
      if (!isDelivered(given) || given.event || !given.body) return given;
      // Neither empty nor an event is a failure: retried, and no code reaches the dead letter sink.
      log?.(`${subscriber}: returned something for ${event.id} that is no event`);
      return NO_RESPONSE;
    });
    if (!isDelivered(response)) {
      return sendToSink(trigger, passage, response, `http://${subscriber}.${namespace}.svc.cluster.local`);
    }
    const reply = response.event;
    if (!reply) return true;
    const end = endOf(passage);
    if (end !== undefined) return drop(reply, `${trigger.name}: ${end}`);
    // The reply is posted like any event, and the post returns only after the rest of the chain: it has the same
    // retries and the same time. A failure far down can so dead-letter an event that has succeeded.
    const posted = await tries(delivery, passage, () =>
      within(delivery.timeoutMs, signal, (leaving) => ingest(reply, { ttl: ttl - 1, signal: leaving })),
    );
    if (isDelivered(posted)) return true;
    return sendToSink(trigger, passage, posted, `http://broker-ingress.knative-eventing.svc.cluster.local${path}`);
  }

  async function sendToSink(
    trigger: Trigger,
    passage: Passage,
    failure: SubscriberResponse,
    destination: string,
  ): Promise<boolean> {
    const { event, ttl, signal } = passage;
    const { name: by, delivery } = trigger;
    log?.(`${by}: retries exhausted for ${event.id}, ${destination} returned ${failure.status}`);
    const sink = delivery.deadLetterSink;
    const end = endOf(passage);
    if (end !== undefined) return drop(event, `${by}: ${end}`);
    if (sink === undefined) return drop(event, `${by}: no dead letter sink`);
    if (isOverlong(failure)) {
      onError(
        `${trigger.subscriber} returned ${failure.status} with more than 768 bytes for ${event.id}: ${DISPATCHER_ENDS}`,
      );
    }
    // A dead letter keeps its TTL.
    const letter = deadLetter({ ...event, knativebrokerttl: String(ttl) }, destination, failure);
    const options = { timeoutMs: delivery.timeoutMs, prefersReply: false, signal };
    const response = await tries(delivery, passage, () => send(sink, letter, options));
    return isDelivered(response) || drop(event, `${by}: dead letter sink ${sink} returned ${response.status}`);
  }

  function drop(event: CloudEventV1<unknown>, reason: string): false {
    onDrop?.(event, reason);
    return false;
  }

  async function tries(
    delivery: Delivery,
    passage: Passage,
    attempt: () => Promise<SubscriberResponse>,
  ): Promise<SubscriberResponse> {
    for (let retries = 0; ; retries += 1) {
      const response = await attempt();
      if (isDelivered(response) || retries >= delivery.retry || !isRetried(response)) return response;
      await pause(waitMs(delivery, retries, response), passage.signal);
      if (endOf(passage) !== undefined) return response;
    }
  }

  async function send(
    subscriber: string,
    event: CloudEventV1<unknown>,
    options: DeliverOptions,
  ): Promise<SubscriberResponse> {
    try {
      return await deliver(subscriber, event, options);
    } catch (cause) {
      log?.(`${subscriber}: could not receive ${event.id}`, cause);
      return NO_RESPONSE;
    }
  }

  /** Why nothing more is tried for an event. */
  function endOf({ signal }: Passage): string | undefined {
    if (closing.signal.aborted) return 'the broker was closed';
    return signal?.aborted ? 'its producer did not wait' : undefined;
  }

  async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
    const ended = signal ? AbortSignal.any([closing.signal, signal]) : closing.signal;
    await delay(ms, undefined, { signal: ended }).catch(() => undefined);
  }

  async function idle(): Promise<void> {
    if (inFlight > 0) await new Promise<void>((resolve) => waiting.push(resolve));
  }

  return {
    path,
    ingest,
    idle,
    close: () => {
      closing.abort();
      return idle();
    },
  };
}

function isEvent({ specversion, id, source, type, time }: CloudEventV1<unknown>): boolean {
  const isTime = time === undefined || UTC.test(time) || LOCAL.test(time);
  return (specversion === '1.0' || specversion === '0.3') && isText(id) && isText(source) && isText(type) && isTime;
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value.trim() !== '';
}

/** The TTL of an event that comes with one, from another broker or a subscriber that posts, counts on. */
function enteringTtl({ knativebrokerttl: carried }: CloudEventV1<unknown>): number {
  const count = carried === '' ? NaN : Number(carried);
  return Math.abs(count) <= MAX_INTEGER ? Math.trunc(count) - 1 : FIRST_TTL;
}

/**
 * The one copy of an event: with its arrival time, its own time as Knative writes it, and without the TTL, which subscribers
 * never see.
 */
function arriving(event: CloudEventV1<unknown>): CloudEventV1<unknown> {
  const arrived: CloudEventV1<unknown> = { ...event, knativearrivaltime: new Date().toISOString() };
  if (event.time !== undefined && !UTC.test(event.time)) arrived.time = inUtc(event.time);
  if (event['knativebrokerttl'] === undefined) return arrived;
  const { knativebrokerttl: _, ...rest } = arrived;
  return rest;
}

const UTC = /^\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d(\.\d{0,8}[1-9])?Z$/;
const LOCAL = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/;

/** A time in UTC, to the nanosecond, without zeros at the end. */
function inUtc(time: string): string {
  const [, seconds = '', digits = '', offset = ''] = LOCAL.exec(time) ?? [];
  const fraction = digits.slice(0, 9).replace(/0+$/, '');
  return `${new Date(seconds + offset).toISOString().slice(0, 19)}${fraction && `.${fraction}`}Z`;
}

function within(
  ms: number,
  signal: AbortSignal | undefined,
  work: (leaving: AbortSignal) => Promise<SubscriberResponse>,
): Promise<SubscriberResponse> {
  return new Promise((resolve, reject) => {
    const leaving = new AbortController();
    const end = () => {
      leaving.abort();
      resolve(REPLY_TIMED_OUT);
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener('abort', end);
    const settled = (response: SubscriberResponse) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve(response);
    };
    work(leaving.signal).then(settled, reject);
  });
}

function complain(message: string): void {
  process.stderr.write(`broker: ${message}\n`);
}
