import type { CloudEventV1 } from 'cloudevents';
import type { Delivery } from '#events/topology/manifests.ts';

/** The outcome of one attempt to deliver an event. */
export interface SubscriberResponse {
  /** The HTTP status; -1 = no connection, or a timeout. */
  status: number;
  /** The event in the response. */
  event?: CloudEventV1<unknown> | undefined;
  /** A body that is not an event; with -1 why the connection failed. */
  body?: string | undefined;
  /** The wait that `Retry-After` requests. */
  retryAfterMs?: number | undefined;
}

/** How one event is delivered. */
export interface DeliverOptions {
  timeoutMs: number;
  /** `json` = structured mode; otherwise binary mode. */
  format?: Delivery['format'];
  /** Whether the response may contain an event. */
  prefersReply?: boolean;
  /** Aborted when the producer disconnects. */
  signal?: AbortSignal | undefined;
}

/** Delivers an event to a subscriber once. Enforces `timeoutMs` itself, and does not reject. */
export type Deliver = (
  subscriber: string,
  event: CloudEventV1<unknown>,
  options: DeliverOptions,
) => Promise<SubscriberResponse>;

// Node fires longer timers immediately.
const MAX_TIMER_MS = 2 ** 31 - 1;
// Knative encodes a body as base64 into a buffer of 1,024 bytes.
const MAX_ERROR_BYTES = 768;

/** Whether the subscriber has accepted the event. */
export function isDelivered({ status }: SubscriberResponse): boolean {
  return status >= 200 && status < 300;
}

/** Whether a failure is retried, that is transient and not a refusal. */
export function isRetried({ status }: SubscriberResponse): boolean {
  return status === -1 || status >= 500 || status === 404 || status === 408 || status === 409 || status === 429;
}

/** Whether the body of a failure is so long that Knative's dispatcher crashes when it writes the dead letter. */
export function isOverlong({ body = '' }: SubscriberResponse): boolean {
  return Buffer.byteLength(body) > MAX_ERROR_BYTES;
}

/**
 * The wait before the next retry, in milliseconds, after `retries` earlier ones: linear 0, 1×, 2×, exponential 1×, 2×,
 * 4×. 429 and 503 can request a longer wait, up to the `retryAfterMax` of the delivery; without it `Retry-After` is
 * ignored.
 */
export function waitMs(delivery: Delivery, retries: number, { status, retryAfterMs = 0 }: SubscriberResponse): number {
  const backoff = delivery.backoffDelayMs * (delivery.backoffPolicy === 'linear' ? retries : 2 ** retries);
  const requested = status === 429 || status === 503 ? Math.min(retryAfterMs, delivery.retryAfterMaxMs ?? 0) : 0;
  return Math.min(Math.max(backoff, requested), MAX_TIMER_MS);
}

/** Reads a `Retry-After` header, seconds or a date (RFC 9110, section 10.2.3), in milliseconds from `now`. */
export function parseRetryAfter(header: string, now = Date.now()): number | undefined {
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isNaN(ms) ? undefined : Math.max(ms, 0);
}

/**
 * The event as the dead letter sink receives it: with the destination, code and body of the failure, unless the event
 * already carries them. Without a response (after a timeout, or a reply that is not an event) Knative sets none of
 * them; without a connection it sets the code 500.
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
    // a string, as it arrives in the header on a cluster
    knativeerrorcode: event['knativeerrorcode'] || String(status === -1 ? 500 : status),
    ...(event['knativeerrordata'] ? {} : data),
  };
}
