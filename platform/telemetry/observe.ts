import type { CloudEventV1 } from 'cloudevents';
import { logOf, thisFunction } from '#platform/telemetry/log.ts';
import { eventsHandled, requestSeconds } from '#platform/telemetry/metrics.ts';
import { beginSpan, endSpan, traceparentOf } from '#platform/telemetry/trace.ts';

/** How the handling of an event ended. */
export type EventResult = 'answered' | 'done' | 'ignored' | 'refused' | 'unavailable';

/** One piece of work that is measured and traced. */
export interface Watch<Result> {
  /** The trace context of what follows from it. */
  readonly traceparent: string | undefined;
  /** To be called once. */
  ended(result: Result, error?: unknown): void;
}

interface Delivered {
  /** The function that handles it. */
  by?: string | undefined;
  /** Whether it handles this type: what a stranger calls an event is no label. */
  isKnown: boolean;
  /** The trace context of the request that brought it. */
  hop?: unknown;
}

/** Watches the handling of an event: one observation, one span, one log line. */
export function watchEvent(
  event: CloudEventV1<unknown>,
  { by = thisFunction, isKnown, hop }: Delivered,
): Watch<EventResult> {
  const type = isKnown ? event.type : 'other';
  const began = performance.now();
  const ids = { event: event.id, type: event.type, correlationid: event['correlationid'] };
  const span = beginSpan(`${by} ${type}`, {
    kind: 'CONSUMER',
    parent: event['traceparent'],
    hop,
    attributes: {
      'faas.name': by,
      'messaging.message.id': event.id,
      ...(typeof ids.correlationid === 'string' && { 'messaging.message.conversation_id': ids.correlationid }),
    },
  });
  return {
    traceparent: traceparentOf(span),
    ended: (result, error) => {
      const ms = performance.now() - began;
      eventsHandled.observe({ function: by, type, result }, ms / 1_000);
      const failed = result === 'refused' || result === 'unavailable';
      endSpan(span, failed ? result : undefined);
      const level = result === 'refused' ? 'error' : failed ? 'warn' : 'info';
      logOf(by)[level]({ ...ids, result, ms: rounded(ms), ...(failed && { err: error }) }, 'event');
    },
  };
}

/** How a request was answered; `route` is what it asked for, without the ids in it. */
export interface RequestResult {
  status: number;
  route?: string | undefined;
  /** It stayed open for as long as the caller wished: its time says nothing. */
  isStream?: boolean;
}

/** Watches the answering of a request: one observation, one span, and a log line for who looks closely (debug). */
export function watchRequest(by: string, parent: unknown): Watch<RequestResult> {
  const began = performance.now();
  const span = beginSpan(by, { kind: 'SERVER', parent, attributes: { 'faas.name': by } });
  return {
    traceparent: traceparentOf(span),
    ended: ({ status, route, isStream = false }) => {
      const ms = performance.now() - began;
      if (!isStream) requestSeconds.observe({ function: by, status }, ms / 1_000);
      span.setAttribute('http.response.status_code', status);
      if (route !== undefined) span.updateName(route);
      endSpan(span, status >= 500 ? String(status) : undefined);
      logOf(by).debug({ status, route, ms: rounded(ms) }, 'request');
    },
  };
}

const rounded = (ms: number): number => Math.round(ms * 10) / 10;
