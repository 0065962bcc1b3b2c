import type { CloudEventV1 } from 'cloudevents';
import type { Delivery } from '#local/broker/manifests.ts';

/** The outcome of one try to deliver an event. */
export interface SubscriberResponse {
  /** The HTTP status; -1 = no connection or timed out. */
  status: number;
  /** The event in the response. */
  event?: CloudEventV1<unknown> | undefined;
  /** Any other body; with -1 why there is no connection. */
  body?: string | undefined;
  /** What `Retry-After` asked for. */
  retryAfterMs?: number | undefined;
}

/** How one event is delivered. */
export interface DeliverOptions {
  timeoutMs: number;
  /** `json` = structured mode; otherwise binary mode. */
  format?: Delivery['format'];
  /** Whether the response may be an event. */
  prefersReply?: boolean;
  /** Aborted when the producer no longer waits. */
  signal?: AbortSignal | undefined;
}

/** Delivers one event to a subscriber, once, within `timeoutMs`, which it enforces itself; it does not reject. */
export type Deliver = (
  subscriber: string,
  event: CloudEventV1<unknown>,
  options: DeliverOptions,
) => Promise<SubscriberResponse>;

// Longer timers fire at once in Node.
const MAX_TIMER_MS = 2 ** 31 - 1;
// Knative writes the base64 of a body into a buffer of 1,024 bytes.
const MAX_ERROR_BYTES = 768;

/** Whether the event has arrived. */
export function isDelivered({ status }: SubscriberResponse): boolean {
  return status >= 200 && status < 300;
}

/** Whether a failure is retried: a transient failure, not a refusal. */
export function isRetried({ status }: SubscriberResponse): boolean {
  return status === -1 || status >= 500 || status === 404 || status === 408 || status === 409 || status === 429;
}

/** Whether the body of a failure is longer than Knative's dispatcher survives when it writes a dead letter. */
export function isOverlong({ body = '' }: SubscriberResponse): boolean {
  return Buffer.byteLength(body) > MAX_ERROR_BYTES;
}

/**
 * The wait before the next try, in milliseconds, after `retries` earlier ones: linear 0, 1×, 2×, exponential 1×, 2×, 4×.
 * 429 and 503 may ask for a longer one, up to the `retryAfterMax` of the delivery; without it `Retry-After` is ignored.
 */
export function waitMs(delivery: Delivery, retries: number, { status, retryAfterMs = 0 }: SubscriberResponse): number {
  const backoff = delivery.backoffDelayMs * (delivery.backoffPolicy === 'linear' ? retries : 2 ** retries);
  const asked = status === 429 || status === 503 ? Math.min(retryAfterMs, delivery.retryAfterMaxMs ?? 0) : 0;
  return Math.min(Math.max(backoff, asked), MAX_TIMER_MS);
}

/** Reads a `Retry-After` header, seconds or a date (RFC 9110, section 10.2.3), in milliseconds from `now`. */
export function parseRetryAfter(header: string, now = Date.now()): number | undefined {
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isNaN(ms) ? undefined : Math.max(ms, 0);
}

/**
 * The event as a dead letter sink gets it: with where it failed and how, unless it says so already.
 * Without a response (a timeout, a reply that is no event) Knative sets none of it; without a connection it writes 500.
 */
export function deadLetter(
  event: CloudEventV1<unknown>,
  destination: string,
  failure: SubscriberResponse,
): CloudEventV1<unknown> {
  const { status, body } = failure;
  if (status === -1 && body === undefined) return event;
  const data = isOverlong(failure) ? {} : { knativeerrordata: Buffer.from(body ?? '').toString('base64') };
  return {
    ...event,
    knativeerrordest: event['knativeerrordest'] || destination,
    // a text, as it is read from the header in a cluster
    knativeerrorcode: event['knativeerrorcode'] || String(status === -1 ? 500 : status),
    ...(event['knativeerrordata'] ? {} : data),
  };
}
