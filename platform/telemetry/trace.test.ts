import { afterAll, beforeEach, describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { trace } from '@opentelemetry/api';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { beginSpan, endSpan, traceparentOf } from './trace.ts';

const shopTrace = `00-${'a'.repeat(32)}-${'1'.repeat(16)}-01`;
const brokerTrace = `00-${'b'.repeat(32)}-${'2'.repeat(16)}-01`;
const begin = (parent?: unknown, hop?: unknown) => beginSpan('work', { kind: 'CONSUMER', parent, hop });

describe('without an exporter', () => {
  test('passes on the caller’s trace context unchanged', () => {
    expect(traceparentOf(begin(shopTrace))).toBe(shopTrace);
    expect(traceparentOf(begin(undefined, brokerTrace))).toBe(brokerTrace);
  });

  // promise: http-headers
  test.each([
    [`01${shopTrace.slice(2)}`, shopTrace],
    [`cc${shopTrace.slice(2)}-what-the-future-will-be-like`, shopTrace],
    [`01${shopTrace.slice(2)}-`, shopTrace],
    // flags beyond sampled and random are not defined in the version that is passed on
    [`01${shopTrace.slice(2, -2)}ff`, `${shopTrace.slice(0, -2)}03`],
    [`${shopTrace.slice(0, -2)}04`, `${shopTrace.slice(0, -2)}00`],
  ])('continues a trace in this version from %s', (text, passedOn) => {
    expect(traceparentOf(begin(text))).toBe(passedOn);
  });

  test.each([
    undefined,
    '',
    '00-1',
    `00-${'0'.repeat(32)}-${'1'.repeat(16)}-01`,
    `${shopTrace}-x`,
    `${shopTrace}-`,
    shopTrace.toUpperCase(),
    `00-${'a'.repeat(32)}-${'0'.repeat(16)}-01`,
    shopTrace.replace('00-', 'ff-'),
    shopTrace.replace('00-', '0-'),
    `01${shopTrace.slice(2)}x`,
    `01-${'0'.repeat(32)}-${'1'.repeat(16)}-01-x`,
    `${shopTrace}, ${brokerTrace}`,
    'x'.repeat(9_000),
    7,
    [shopTrace],
  ])('passes on nothing of an invalid trace context: %s', (text) => {
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

  test('makes a span the child of its cause, and the parent of what follows', () => {
    const { parent, traceparent, status } = ended(shopTrace);
    expect(parent).toMatchObject({ traceId: 'a'.repeat(32), spanId: '1'.repeat(16) });
    expect(traceparent).toMatch(/^00-a{32}-(?!1{16})[0-9a-f]{16}-01$/);
    expect(status).toMatchObject({ message: 'unavailable' });
  });

  test('continues the order’s trace where the broker began its own, and links to that one', () => {
    const { parent, links } = ended(shopTrace, brokerTrace);
    expect(parent).toMatchObject({ traceId: 'a'.repeat(32) });
    expect(links).toMatchObject([{ context: { traceId: 'b'.repeat(32), spanId: '2'.repeat(16) } }]);
  });

  test('adds no link where the broker continues the order’s trace', () => {
    expect(ended(shopTrace, shopTrace.replaceAll('1', '3')).links).toEqual([]);
  });

  test('leaves an unsampled trace unsampled', () => {
    expect(traceparentOf(begin(shopTrace.replace(/01$/, '00')))).toMatch(/^00-a{32}-[0-9a-f]{16}-00$/);
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
