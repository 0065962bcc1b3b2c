import { z } from 'zod';
import { problemsOf, type Route } from '#api/route.ts';
import { routes } from '#api/routes.ts';
import { problems, type ProblemCode } from '#platform/http/problem.ts';
import { jsonSchema, version } from './json-schema.ts';

type Json = Record<string, unknown>;

const named = (schema: z.ZodType) => ({ $ref: `#/components/schemas/${z.globalRegistry.get(schema)?.id}` });
const header = (name: string) => [name, { $ref: `#/components/headers/${name}` }] as const;
const json = (schema: Json, type = 'application/json') => ({ [type]: { schema } });

/** The API as OpenAPI 3.1: everything that `api/` says of its routes. */
export function openApi(): Json {
  const paths: Record<string, Json> = {};
  for (const route of routes) paths[route.path] = { ...paths[route.path], [route.method]: operation(route) };
  return {
    openapi: '3.1.1',
    info: {
      title: 'The shop',
      version,
      license: { name: 'MIT', identifier: 'MIT' },
      description:
        'Money is a whole number of minor units (cents) with a currency in lower case. Errors are RFC 9457 problems ' +
        'with a `code`. Objects of other customers are not found. Unknown query parameters are ignored.',
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: { ...namedSchemas(), Problem: problemSchema() },
      headers,
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'From `POST /v1/sessions`.' },
      },
    },
  };
}

function operation(route: Route): Json {
  const { method, path, summary, description, access, body, example } = route;
  const [first = 'shop'] = path.split('/').slice(path.startsWith('/v1/') ? 2 : 3);
  return {
    operationId: `${method} ${path.replace('/v1', '')}`.replaceAll(/[^a-z]+(.)?/g, (_, next = '') =>
      next.toUpperCase(),
    ),
    tags: [first],
    summary,
    ...((description ?? access === 'admin') && {
      description: [description, access === 'admin' && 'For administrators.'].filter(Boolean).join(' '),
    }),
    security: access === 'public' ? [] : [{ token: [] }],
    parameters: parameters(route),
    ...(body && { requestBody: { required: true, content: { 'application/json': { schema: named(body), example } } } }),
    responses: responses(route),
  };
}

function parameters({ path, query, idempotent }: Route): Json[] {
  const { properties = {} } = query ? jsonSchema(query) : {};
  return [
    ...[...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
      name,
      in: 'path',
      required: true,
      schema: { type: 'string', format: 'uuid' },
    })),
    ...Object.entries(properties as Record<string, Json>).map(([name, { description, ...schema }]) => ({
      name,
      in: 'query',
      ...(description !== undefined && { description }),
      schema,
    })),
    ...(idempotent ? [idempotencyKey] : []),
  ];
}

const idempotencyKey = {
  name: 'Idempotency-Key',
  in: 'header',
  required: true,
  description: 'A new one for each new effect; repeating a request with the same key is safe.',
  schema: { type: 'string', pattern: '^[\\x21-\\x7e]{1,255}$' },
};

function responses(route: Route): Record<string, Json> {
  const limits = route.path.startsWith('/v1/') ? [header('RateLimit'), header('RateLimit-Policy')] : [];
  const good = Object.entries(route.responses).map(([status, { description, body, headers: own = [] }]) => [
    status,
    {
      description,
      headers: Object.fromEntries([...own.map(header), ...limits]),
      ...(body && { content: typeof body === 'string' ? json({ type: 'string' }, body) : json(named(body)) }),
    },
  ]);
  const refusals = Map.groupBy(problemsOf(route), (code) => problems[code][0]);
  const bad = [...refusals].map(([status, codes]) => [
    status,
    {
      description: codes.map((code) => `\`${code}\`: ${problems[code][1]}.`).join(' '),
      headers: Object.fromEntries([
        ...(codes.some((code) => retried.has(code)) ? [retryAfter(codes)] : []),
        ...(status === 401 ? [header('WWW-Authenticate')] : limits),
      ]),
      content: json(
        { allOf: [{ $ref: '#/components/schemas/Problem' }], properties: { code: { enum: codes } } },
        'application/problem+json',
      ),
    },
  ]);
  return Object.fromEntries([...good, ...bad]) as Record<string, Json>;
}

// transient problems, with the time after which to repeat the request
const retried = new Set<ProblemCode>(['account_not_open', 'too_many_requests', 'unavailable']);
const retryAfter = (codes: ProblemCode[]) => [
  'Retry-After',
  {
    description: 'Seconds after which to repeat the request.',
    required: codes.every((code) => retried.has(code)),
    schema: { type: 'integer', minimum: 1 },
  },
];

const headers = {
  Location: { description: 'Where the new object is.', required: true, schema: { type: 'string' } },
  RateLimit: {
    required: true,
    description: 'What is left of the limit (draft-ietf-httpapi-ratelimit-headers).',
    schema: { type: 'string' },
  },
  'RateLimit-Policy': { required: true, description: 'The limit.', schema: { type: 'string' } },
  'WWW-Authenticate': { required: true, schema: { type: 'string', const: 'Bearer' } },
};

function namedSchemas(): Json {
  const { schemas } = jsonSchema(z.globalRegistry);
  return Object.fromEntries(
    Object.entries(schemas as Record<string, Json>).map(([id, { $id: _id, $schema: _schema, ...schema }]) => [
      id,
      schema,
    ]),
  );
}

function problemSchema(): Json {
  const text = { type: 'string' };
  return {
    type: 'object',
    description: 'A problem (RFC 9457).',
    properties: {
      type: { ...text, pattern: '^urn:shop:problem:' },
      title: text,
      status: { type: 'integer', minimum: 400, maximum: 599 },
      detail: text,
      code: { ...text, enum: Object.keys(problems) },
      errors: {
        type: 'array',
        description: 'What is wrong with the body or the query, and where.',
        items: { type: 'object', properties: { field: text, message: text }, required: ['field', 'message'] },
      },
    },
    required: ['type', 'title', 'status', 'detail', 'code'],
  };
}
