import type { CloudEventV1 } from 'cloudevents';
import { logOf } from '#platform/telemetry/log.ts';
import { eventsHandled, requestSeconds } from '#platform/telemetry/metrics.ts';
import { beginSpan, endSpan, traceparentOf } from '#platform/telemetry/trace.ts';

/** The result of handling an event. */
export type EventResult = 'replied' | 'done' | 'ignored' | 'refused' | 'unavailable';

/** A piece of work that is measured and traced. */
export interface Observation<Result> {
  /** The trace context for what follows from it. */
  readonly traceparent: string | undefined;
  /** To be called once. */
  ended(result: Result, error?: unknown): void;
}

interface Delivered {
  /** The function that handles it. */
  by: string;
  /** Whether the function handles this type: a type that an untrusted sender made up is no label. */
  isKnown: boolean;
  /** The trace context of the request that brought it. */
  hop?: unknown;
}

/** Observes the handling of an event: one metric sample, one span, one log line. */
export function observeEvent(event: CloudEventV1<unknown>, { by, isKnown, hop }: Delivered): Observation<EventResult> {
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

/** The result of a request; `route` is its path without the ids in it. */
export interface RequestResult {
  status: number;
  route?: string | undefined;
  /** A stream stays open for as long as the caller wishes: its duration is not recorded. */
  isStream?: boolean;
}

/** Observes a request: one metric sample, one span, and a log line of level debug. */
export function observeRequest(by: string, parent: unknown): Observation<RequestResult> {
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
