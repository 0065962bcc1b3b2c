import { globSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { expect, test } from '@jest/globals';
import { readTopology } from '#events/topology/topology.ts';
import { createStorefront } from '#functions/storefront/index.ts';
import { context } from '#test/support/context.ts';
import { asyncApi } from '#api/documents/asyncapi.ts';
import { document, errorsOf, operations } from './contract.ts';
import { ask, useInProcessShop } from './in-process-shop.ts';

interface Layer {
  /** The path of a router. */
  rawPath: string;
  route?: { path: string | string[]; methods: Record<string, boolean> };
  handle: { stack?: Layer[] };
}

useInProcessShop();

// the validator may change the document
const copy = () => structuredClone(document) as unknown as Record<string, unknown>;

test('the API is described by valid OpenAPI 3.1', async () => {
  const validator = new Validator();
  expect(await validator.validate(copy())).toEqual({ valid: true });
  expect(validator.version).toBe('3.1');
  expect((await ask('get', '/openapi.json')).body).toEqual(document);
});

test('the validator rejects an invalid document', async () => {
  expect((await new Validator().validate({ ...copy(), paths: { orders: {} } })).valid).toBe(false);
});

// promise: owasp-api9
test('the storefront serves exactly the routes of the document', async () => {
  const served = routesIn((createStorefront(context) as unknown as { router: { stack: Layer[] } }).router.stack);
  expect(served.toSorted()).toEqual(operations.map(({ method, path }) => `${method} ${path}`).toSorted());
});

function routesIn(stack: Layer[], prefix = ''): string[] {
  return stack.flatMap((layer) => {
    if (layer.route) {
      const { path, methods } = layer.route;
      // `all` refuses other methods; a stream has no HEAD
      const offered = Object.keys(methods).filter((method) => method !== '_all' && method !== 'head');
      const shown = (one: string) => `${prefix}${one.replaceAll(/:(\w+)/g, '{$1}')}`;
      return [path].flat().flatMap((one) => offered.map((method) => `${method} ${shown(one)}`));
    }
    return routesIn(layer.handle.stack ?? [], prefix + layer.rawPath.replace(/\/$/, ''));
  });
}

test.each([...new Set(operations.map(({ path }) => path))])('%s refuses other methods', async (path) => {
  const methods = operations.filter((one) => one.path === path).map(({ method }) => method.toUpperCase());
  const { status, headers, body } = await ask('put', path, {
    as: '0198c0de-0000-7000-8000-000000000001',
    role: 'admin',
  });
  expect({ status, body }).toMatchObject({ status: 405, body: { code: 'method_not_allowed' } });
  expect(headers.get('allow')?.split(', ').toSorted()).toEqual(methods.toSorted());
});

test('the events are described by valid AsyncAPI 3 without dangling references', async () => {
  const events = await asyncApi();
  const schema = createRequire(import.meta.url)('@asyncapi/specs/schemas/3.0.0-without-$id.json') as object;
  const ajv = new Ajv({ strict: false, logger: false });
  addFormats.default(ajv);
  const validate = ajv.compile(schema);
  validate(events);
  expect(validate.errors).toBeNull();
  expect(validate({ ...events, channels: { broker: 'default' } })).toBe(false);
  expect(referencesIn(events).filter((reference) => !isDefined(events, reference))).toEqual([]);
  expect((await ask('get', '/asyncapi.json')).body).toEqual(events);
});

const referencesIn = (document: object) =>
  [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, path = '']) => path);

const isDefined = (document: object, reference: string) =>
  reference.split('/').reduce<unknown>((at, name) => (at as Record<string, unknown>)?.[name], document) !== undefined;

test('OpenAPI has no dangling references', () => {
  expect(referencesIn(document).filter((reference) => !isDefined(document, reference))).toEqual([]);
});

test('the producers and consumers in AsyncAPI are those of the contracts and the Triggers', async () => {
  const { operations: actions } = (await asyncApi()) as { operations: Record<string, { action: string }> };
  const { hops } = await readTopology();
  const expected = hops.flatMap(({ event, producer, subscribers }) => {
    const name = event.replaceAll(/[._ ]/g, '-');
    return [`${producer}.sends.${name}`, ...subscribers.map((subscriber) => `${subscriber}.receives.${name}`)];
  });
  expect(Object.keys(actions).toSorted()).toEqual(expected.toSorted());
  expect(hops).toHaveLength(globSync('events/*.ts').length);
});

test('the example of every message matches its schema', async () => {
  type Example = { headers: unknown; payload: unknown };
  type Message = { headers: Record<string, unknown>; payload: Record<string, unknown>; examples: Example[] };
  const { components } = (await asyncApi()) as { components: { messages: Record<string, Message> } };
  for (const { headers, payload, examples } of Object.values(components.messages)) {
    expect(examples).toHaveLength(1);
    expect(errorsOf(payload, examples[0]?.payload)).toEqual([]);
    // the content type is not an attribute
    expect(errorsOf({ ...headers, additionalProperties: { const: 'application/json' } }, examples[0]?.headers)).toEqual(
      [],
    );
    expect(errorsOf(payload, { ...(examples[0]?.payload as object), userId: 1 })).not.toEqual([]);
  }
});

test('the page shows every route and event, and loads no script and nothing from another host', async () => {
  const { body, headers } = await ask('get', '/docs');
  const page = String(body);
  for (const { method, path } of operations) expect(page).toContain(`<h3>${method.toUpperCase()} ${path}</h3>`);
  for (const [, type] of globSync('events/*.ts').map(
    (file) => /'(shop\.[^']+)'/.exec(readFileSync(file, 'utf8')) ?? [],
  )) {
    expect(page).toContain(`<h3>${type}</h3>`);
  }
  expect(headers.get('content-security-policy')).toContain("default-src 'self'");
  expect(page).not.toMatch(/<script|style=|\son\w+=|<style|https?:\/\//);
  const loaded = [...page.matchAll(/(?:src|href)="([^#"][^"]*)"/g)].map(([, link]) => link ?? '');
  expect(loaded).toContain('/docs/docs.css');
  for (const link of loaded) expect((await ask('get', link)).status).toBe(200);
  const ids = new Set([...page.matchAll(/id="([^"]+)"/g)].map(([, id]) => id));
  expect([...page.matchAll(/href="#([^"]+)"/g)].filter(([, id]) => !ids.has(id))).toEqual([]);
  expect(Buffer.byteLength(page)).toBeLessThan(500_000);
});
