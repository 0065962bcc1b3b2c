import { trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
  type Sampler,
} from '@opentelemetry/sdk-trace';
import { z } from 'zod';
import { log, thisFunction } from '#platform/telemetry/log.ts';
import { settings, wholeNumber } from '#platform/runtime/settings.ts';

const ratio = z.coerce.number().min(0).max(1);

/** Reads the settings of the OpenTelemetry Environment Variable Specification; the exporter itself reads where to send. */
const readEnvironment = () =>
  settings({
    OTEL_TRACES_SAMPLER: z
      .enum([
        'always_on',
        'always_off',
        'traceidratio',
        'parentbased_always_on',
        'parentbased_always_off',
        'parentbased_traceidratio',
      ])
      .default('parentbased_always_on'),
    OTEL_TRACES_SAMPLER_ARG: ratio.default(1),
    /** Milliseconds between two exports. */
    OTEL_BSP_SCHEDULE_DELAY: wholeNumber(1, 600_000).default(5_000),
  });

/** Exports spans by OTLP over HTTP as JSON from now on; the returned function sends the rest and stops. */
export function exportSpans(): () => Promise<void> {
  const env = readEnvironment();
  const provider = new TracerProvider({
    // what the environment says (OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES) wins
    resource: defaultResource()
      .merge(resourceFromAttributes({ 'service.name': thisFunction, 'service.namespace': 'shop' }))
      .merge(detectResources({ detectors: [envDetector] })),
    sampler: sampler(env),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: new OTLPTraceExporter(),
        scheduledDelayMillis: env.OTEL_BSP_SCHEDULE_DELAY,
      }),
    ],
  });
  trace.setGlobalTracerProvider(provider);
  return () => provider.shutdown().catch((error: unknown) => log.warn({ err: error }, 'the last spans were not sent'));
}

function sampler(env: ReturnType<typeof readEnvironment>): Sampler {
  const name = env.OTEL_TRACES_SAMPLER.replace('parentbased_', '');
  const root =
    name === 'traceidratio'
      ? new TraceIdRatioBasedSampler(env.OTEL_TRACES_SAMPLER_ARG)
      : name === 'always_off'
        ? new AlwaysOffSampler()
        : new AlwaysOnSampler();
  return env.OTEL_TRACES_SAMPLER.startsWith('parentbased_') ? new ParentBasedSampler({ root }) : root;
}
