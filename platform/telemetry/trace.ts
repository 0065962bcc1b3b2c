import {
  isSpanContextValid,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Span,
  type SpanContext,
} from '@opentelemetry/api';

// Without an exporter (see platform/telemetry/tracing.ts) its spans record nothing and hand on the context that they were given.
const tracer = trace.getTracer('shop');

interface Origin {
  kind: keyof typeof SpanKind;
  /** W3C trace context (traceparent) of what caused the work; a text that is none is left out. */
  parent?: unknown;
  /** The trace context of the last hop: linked where it belongs to another trace, because a broker began one. */
  hop?: unknown;
  attributes?: Attributes;
}

/** Begins a span; the caller ends it. Attributes hold ids and codes only. */
export function beginSpan(name: string, { kind, parent, hop, attributes = {} }: Origin): Span {
  const [cause, last] = [readTraceparent(parent), readTraceparent(hop)];
  const above = cause ?? last;
  const isCut = cause && last && cause.traceId !== last.traceId;
  return tracer.startSpan(
    name,
    { kind: SpanKind[kind], attributes, ...(isCut && { links: [{ context: last }] }) },
    above ? trace.setSpanContext(ROOT_CONTEXT, above) : ROOT_CONTEXT,
  );
}

/** Ends a span; one that failed says why with a code. */
export function endSpan(span: Span, failure?: string): void {
  if (failure !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: failure });
  span.end();
}

/** The W3C trace context that what follows from a span carries; nothing if there is no trace. */
export function traceparentOf(span: Span): string | undefined {
  const context = span.spanContext();
  if (!isSpanContextValid(context)) return undefined;
  return `00-${context.traceId}-${context.spanId}-${context.traceFlags.toString(16).padStart(2, '0')}`;
}

// a later version may have more fields behind the four that it shares with this one; there is no version ff
const traceparentFields =
  /^(?!ff)(?<version>[0-9a-f]{2})-(?<traceId>[0-9a-f]{32})-(?<spanId>[0-9a-f]{16})-(?<flags>[0-9a-f]{2})(?<more>-.*)?$/;
// sampled, random trace id; what no version known here has defined is not passed on
const knownFlags = 0x03;

/** Reads a traceparent (W3C Trace Context level 2, sections 3.2 and 4.3). */
function readTraceparent(text: unknown): SpanContext | undefined {
  if (typeof text !== 'string') return undefined;
  const { version, traceId = '', spanId = '', flags = '', more } = traceparentFields.exec(text)?.groups ?? {};
  if (version === '00' && more !== undefined) return undefined;
  const context = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & knownFlags, isRemote: true };
  return isSpanContextValid(context) ? context : undefined;
}
