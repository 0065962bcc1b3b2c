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
import { indexByType } from '#events/topology/filters.ts';
import type { Delivery, Manifests, Trigger } from '#events/topology/manifests.ts';

export type { SubscriberResponse, Deliver } from '#local/broker/delivery.ts';

/** 202 = delivered, dead-lettered or matched by no Trigger; 400 = not an event, or its TTL is exhausted; 500 = lost. */
export type IngestStatus = 202 | 400 | 500;

export interface Broker {
  /** `/<namespace>/<name>`: its path over HTTP. */
  readonly path: string;
  /** Accepts an event. As in Knative's in-memory channel, resolves after all deliveries, retries and replies. */
  ingest(event: CloudEventV1<unknown>, options?: IngestOptions): Promise<{ status: IngestStatus }>;
  /** Resolves when nothing is in flight. */
  idle(): Promise<void>;
  /** Stops accepting and retrying; resolves when the deliveries in flight have their responses. */
  close(): Promise<void>;
}

export interface IngestOptions {
  /** How many times the event and its replies may still enter the broker. */
  ttl?: number;
  /** Aborted when the producer disconnects: deliveries are aborted, without retries, dead letters or replies. */
  signal?: AbortSignal;
}

interface Options {
  manifests: Manifests;
  deliver: Deliver;
  /** Injected faults, for tests. */
  faults?: Partial<Faults> | undefined;
  /** Called for each event that is lost: no dead letter sink, the sink failed too, or the producer disconnected. */
  onDrop?: ((event: CloudEventV1<unknown>, reason: string) => void) | undefined;
  /** Called when retries are exhausted, with ids only. */
  log?: ((message: string, cause?: unknown) => void) | undefined;
  /** Called when Knative's dispatcher would crash, with all deliveries in flight; writes to stderr by default. */
  onError?: (message: string) => void;
}

const FIRST_TTL = 255;
const DISPATCHER_CRASHES = "Knative's in-memory dispatcher would crash";
const MAX_INTEGER = 2 ** 31 - 1;
const NO_RESPONSE: SubscriberResponse = { status: -1 };
const REPLY_TIMED_OUT: SubscriberResponse = { status: -1, body: 'dispatch error: the reply took too long' };

/** An event in flight: how often it may still enter the broker, and whether its producer is still connected. */
interface InFlight {
  event: CloudEventV1<unknown>;
  ttl: number;
  signal: AbortSignal | undefined;
}

/**
 * A broker that behaves like Knative's multi-tenant broker on the in-memory channel (conformance.ts defines how), in
 * this process. Events are not serialized: subscribers share the event object and must not change it.
 */
export function createBroker({ manifests, deliver, faults, onDrop, log, onError = writeError }: Options): Broker {
  const { name, namespace } = manifests.broker;
  const path = `/${namespace}/${name}`;
  const triggersFor = indexByType(manifests.triggers);
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
      const current = { event, ttl, signal };
      const delivered = plan ? await dispatchWithFaults(current, plan()) : await dispatch(current);
      return { status: delivered ? 202 : 500 };
    } finally {
      inFlight -= 1;
      if (inFlight === 0) waiting.splice(0).forEach((resolve) => resolve());
    }
  }

  async function dispatchWithFaults(current: InFlight, delays: readonly number[]): Promise<boolean> {
    const copies = delays.map(async (ms) => {
      if (ms > 0) await pause(ms, current.signal);
      const reason = abortReason(current);
      return reason === undefined ? dispatch(current) : drop(current.event, reason);
    });
    return (await Promise.all(copies)).every(Boolean);
  }

  /** Whether the subscriber of every matching Trigger, or its dead letter sink, has received the event. */
  async function dispatch(accepted: InFlight): Promise<boolean> {
    const current = { ...accepted, event: arriving(accepted.event) };
    const triggers = triggersFor(current.event);
    const [only] = triggers;
    if (!only) return true;
    if (triggers.length === 1) return deliverTo(only, current);
    return (await Promise.all(triggers.map((trigger) => deliverTo(trigger, current)))).every(Boolean);
  }

  async function deliverTo(trigger: Trigger, current: InFlight): Promise<boolean> {
    const { subscriber, delivery } = trigger;
    const { event, ttl, signal } = current;
    const { format } = delivery;
    const response = await deliverWithRetries(delivery, current, async () => {
      const received = await send(subscriber, event, { timeoutMs: delivery.timeoutMs, format, signal });
      if (!isDelivered(received) || received.event || !received.body) return received;
      // A body that is not an event is a failure: it is retried, and the dead letter sink gets no code.
      log?.(`${subscriber}: returned a body for ${event.id} that is not an event`);
      return NO_RESPONSE;
    });
    if (!isDelivered(response)) {
      return sendToSink(trigger, current, response, `http://${subscriber}.${namespace}.svc.cluster.local`);
    }
    const reply = response.event;
    if (!reply) return true;
    const reason = abortReason(current);
    if (reason !== undefined) return drop(reply, `${trigger.name}: ${reason}`);
    // The reply is posted like any event, with the same retries and timeout, and the post returns only after the rest
    // of the chain: a failure further down can dead-letter an event whose own delivery succeeded.
    const posted = await deliverWithRetries(delivery, current, () =>
      within(delivery.timeoutMs, signal, (ending) => ingest(reply, { ttl: ttl - 1, signal: ending })),
    );
    if (isDelivered(posted)) return true;
    return sendToSink(trigger, current, posted, `http://broker-ingress.knative-eventing.svc.cluster.local${path}`);
  }

  async function sendToSink(
    trigger: Trigger,
    current: InFlight,
    failure: SubscriberResponse,
    destination: string,
  ): Promise<boolean> {
    const { event, ttl, signal } = current;
    const { name: by, delivery } = trigger;
    log?.(`${by}: retries exhausted for ${event.id}, ${destination} returned ${failure.status}`);
    const sink = delivery.deadLetterSink;
    const reason = abortReason(current);
    if (reason !== undefined) return drop(event, `${by}: ${reason}`);
    if (sink === undefined) return drop(event, `${by}: no dead letter sink`);
    if (isOverlong(failure)) {
      onError(
        `${trigger.subscriber} returned ${failure.status} with more than 768 bytes for ${event.id}: ${DISPATCHER_CRASHES}`,
      );
    }
    // A dead letter carries its TTL.
    const deadLettered = deadLetter({ ...event, knativebrokerttl: String(ttl) }, destination, failure);
    const options = { timeoutMs: delivery.timeoutMs, prefersReply: false, signal };
    const response = await deliverWithRetries(delivery, current, () => send(sink, deadLettered, options));
    return isDelivered(response) || drop(event, `${by}: dead letter sink ${sink} returned ${response.status}`);
  }

  function drop(event: CloudEventV1<unknown>, reason: string): false {
    onDrop?.(event, reason);
    return false;
  }

  async function deliverWithRetries(
    delivery: Delivery,
    current: InFlight,
    attempt: () => Promise<SubscriberResponse>,
  ): Promise<SubscriberResponse> {
    for (let retries = 0; ; retries += 1) {
      const response = await attempt();
      if (isDelivered(response) || retries >= delivery.retry || !isRetried(response)) return response;
      await pause(waitMs(delivery, retries, response), current.signal);
      if (abortReason(current) !== undefined) return response;
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

  /** Why the delivery of an event is aborted. */
  function abortReason({ signal }: InFlight): string | undefined {
    if (closing.signal.aborted) return 'the broker was closed';
    return signal?.aborted ? 'its producer disconnected' : undefined;
  }

  async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
    const aborted = signal ? AbortSignal.any([closing.signal, signal]) : closing.signal;
    await delay(ms, undefined, { signal: aborted }).catch(() => undefined);
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

/** An event that carries a TTL, from another broker or a subscriber that posts, continues to count it down. */
function enteringTtl({ knativebrokerttl: carried }: CloudEventV1<unknown>): number {
  const count = carried === '' ? NaN : Number(carried);
  return Math.abs(count) <= MAX_INTEGER ? Math.trunc(count) - 1 : FIRST_TTL;
}

/**
 * Copies an event once, with its arrival time, its own time in Knative's format, and without the TTL, which subscribers
 * do not get.
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

/** A time in UTC, to the nanosecond, without trailing zeros. */
function inUtc(time: string): string {
  const [, seconds = '', digits = '', offset = ''] = LOCAL.exec(time) ?? [];
  const fraction = digits.slice(0, 9).replace(/0+$/, '');
  return `${new Date(seconds + offset).toISOString().slice(0, 19)}${fraction && `.${fraction}`}Z`;
}

function within(
  ms: number,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<SubscriberResponse>,
): Promise<SubscriberResponse> {
  return new Promise((resolve, reject) => {
    const timedOut = new AbortController();
    const end = () => {
      timedOut.abort();
      resolve(REPLY_TIMED_OUT);
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener('abort', end);
    const settled = (response: SubscriberResponse) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve(response);
    };
    work(timedOut.signal).then(settled, reject);
  });
}

function writeError(message: string): void {
  process.stderr.write(`broker: ${message}\n`);
}
