import { afterAll, beforeEach, describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { trace } from '@opentelemetry/api';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { beginSpan, endSpan, traceparentOf } from './trace.ts';

const ours = `00-${'a'.repeat(32)}-${'1'.repeat(16)}-01`;
const brokers = `00-${'b'.repeat(32)}-${'2'.repeat(16)}-01`;
const begin = (parent?: unknown, hop?: unknown) => beginSpan('work', { kind: 'CONSUMER', parent, hop });

describe('without an exporter', () => {
  test('the caller’s trace context is handed on as it is', () => {
    expect(traceparentOf(begin(ours))).toBe(ours);
    expect(traceparentOf(begin(undefined, brokers))).toBe(brokers);
  });

  // promise: http-headers
  test.each([
    [`01${ours.slice(2)}`, ours],
    [`cc${ours.slice(2)}-what-the-future-will-be-like`, ours],
    [`01${ours.slice(2)}-`, ours],
    // flags beyond sampled and random are not defined in the version that is passed on
    [`01${ours.slice(2, -2)}ff`, `${ours.slice(0, -2)}03`],
    [`${ours.slice(0, -2)}04`, `${ours.slice(0, -2)}00`],
  ])('a trace goes on in this version from %s', (text, passedOn) => {
    expect(traceparentOf(begin(text))).toBe(passedOn);
  });

  test.each([
    undefined,
    '',
    '00-1',
    `00-${'0'.repeat(32)}-${'1'.repeat(16)}-01`,
    `${ours}-x`,
    `${ours}-`,
    ours.toUpperCase(),
    `00-${'a'.repeat(32)}-${'0'.repeat(16)}-01`,
    ours.replace('00-', 'ff-'),
    ours.replace('00-', '0-'),
    `01${ours.slice(2)}x`,
    `01-${'0'.repeat(32)}-${'1'.repeat(16)}-01-x`,
    `${ours}, ${brokers}`,
    'x'.repeat(9_000),
    7,
    [ours],
  ])('nothing is handed on of what is no trace context: %s', (text) => {
    expect(traceparentOf(begin(text))).toBeUndefined();
  });
});

describe('with an exporter', () => {
  const exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  beforeEach(() => {
    trace.setGlobalTracerProvider(provider);
    exporter.reset();
  });
  afterAll(() => trace.disable());

  const ended = (parent?: string, hop?: string) => {
    const span = begin(parent, hop);
    endSpan(span, 'unavailable');
    const [found] = exporter.getFinishedSpans();
    if (!found) throw new Error('no span');
    return { traceparent: traceparentOf(span), ...found, parent: found.parentSpanContext };
  };

  test('a span is below its cause, and what follows is below it', () => {
    const { parent, traceparent, status } = ended(ours);
    expect(parent).toMatchObject({ traceId: 'a'.repeat(32), spanId: '1'.repeat(16) });
    expect(traceparent).toMatch(/^00-a{32}-(?!1{16})[0-9a-f]{16}-01$/);
    expect(status).toMatchObject({ message: 'unavailable' });
  });

  test('where the broker began a trace of its own the order’s trace goes on, linked to it', () => {
    const { parent, links } = ended(ours, brokers);
    expect(parent).toMatchObject({ traceId: 'a'.repeat(32) });
    expect(links).toMatchObject([{ context: { traceId: 'b'.repeat(32), spanId: '2'.repeat(16) } }]);
  });

  test('where it goes on with the order’s there is no link', () => {
    expect(ended(ours, ours.replaceAll('1', '3')).links).toEqual([]);
  });

  test('an unsampled trace stays unsampled', () => {
    expect(traceparentOf(begin(ours.replace(/01$/, '00')))).toMatch(/^00-a{32}-[0-9a-f]{16}-00$/);
  });
});

describe('the exporter', () => {
  const script = `
    import { registerHooks } from 'node:module';
    const loaded = new Set();
    registerHooks({ load: (url, context, next) => {
      loaded.add(/@opentelemetry\\/([\\w-]+)/.exec(url)?.[1]);
      return next(url, context);
    } });
    const { startTracing } = await import('#platform/telemetry/tracing.ts');
    await import('#platform/runtime/serve-function.ts');
    await import('#functions/create-order/index.ts');
    await (await startTracing())();
    process.stdout.write(JSON.stringify([...loaded].filter(Boolean)));
    process.exit(0);`;
  const loadedWith = (env: Record<string, string>): string[] =>
    JSON.parse(
      execFileSync(process.execPath, ['--input-type=module-typescript', '--eval', script], {
        env: { ...process.env, NODE_OPTIONS: '', K_SERVICE: 'create-order', ...env },
        encoding: 'utf8',
      }),
    ) as string[];
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' };

  test.each([
    ['nothing is set', {}],
    ['the endpoint is empty', { OTEL_EXPORTER_OTLP_ENDPOINT: '' }],
    ['it is disabled', { ...endpoint, OTEL_SDK_DISABLED: 'true' }],
    ['no exporter is wanted', { ...endpoint, OTEL_TRACES_EXPORTER: 'none' }],
  ])('is not loaded while %s', (_what, env) => {
    expect(loadedWith(env)).toEqual(['api']);
  });

  test('is loaded by its standard variable', () => {
    expect(loadedWith(endpoint)).toEqual(expect.arrayContaining(['sdk-trace', 'exporter-trace-otlp-http']));
  });
});
