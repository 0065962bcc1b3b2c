import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { expect } from '@jest/globals';
import { openApi } from '#api/documents/openapi.ts';
import type { Reply } from './in-process-shop.ts';

type Schema = Record<string, unknown>;

export interface Operation {
  /** `get`, `post`, … */
  method: string;
  path: string;
  parameters: { name: string; in: 'path' | 'query' | 'header' }[];
  /** A valid body. */
  example: unknown;
  responses: Record<string, Response>;
  role: 'public' | 'customer' | 'admin';
}

interface Response {
  headers?: Record<string, { $ref?: string; required?: boolean; schema?: Schema }>;
  content?: Record<string, { schema: Schema }>;
}

interface Document {
  paths: Record<string, Record<string, Omit<Operation, 'method' | 'path'> & Described>>;
  components: { schemas: Record<string, Schema>; headers: Record<string, { required?: boolean; schema: Schema }> };
}

interface Described {
  security: unknown[];
  requestBody?: { content: { 'application/json': { example: unknown } } };
}

/** The document that the storefront serves. */
export const document = openApi() as unknown as Document;
const { schemas, headers } = document.components;

/** Every route of the document. */
export const operations: Operation[] = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, { parameters, responses, security, requestBody }]) => {
    const example = requestBody?.content['application/json'].example;
    const role = security.length === 0 ? 'public' : path.startsWith('/v1/admin/') ? 'admin' : 'customer';
    return { method, path, parameters, example, responses, role };
  }),
);

/** The route of a request. */
export function operationOf(method: string, { pathname }: URL): Operation | undefined {
  const matches = (path: string) => new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(pathname);
  const ofMethod = operations.filter((one) => one.method === method.toLowerCase());
  return ofMethod.find(({ path }) => path === pathname) ?? ofMethod.find(({ path }) => matches(path));
}

export interface Documented {
  /** `POST /v1/orders 422 unknown_sku` */
  name: string;
  operation: Operation;
  status: string;
  /** The problem code of an error. */
  code: string | undefined;
}

/** Every response of the document; one for each problem code. */
export const documented: Documented[] = operations.flatMap((operation): Documented[] =>
  Object.entries(operation.responses).flatMap(([status, { content }]): Documented[] => {
    const name = `${operation.method.toUpperCase()} ${operation.path} ${status}`;
    const problem = content?.['application/problem+json']?.schema as { properties: { code: { enum: string[] } } };
    if (!problem) return [{ name, operation, status, code: undefined }];
    return problem.properties.code.enum.map((code) => ({ name: `${name} ${code}`, operation, status, code }));
  }),
);

const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats.default(ajv);
const closedSchemas = closed(schemas);

// a response must not have fields that the document does not name: a test may be stricter than a client
function closed<Value>(value: Value): Value {
  if (Array.isArray(value)) return value.map(closed) as Value;
  if (typeof value !== 'object' || value === null) return value;
  const copy = Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, closed(inner as unknown)]));
  const isObject = copy['type'] === 'object' && 'properties' in copy && !('additionalProperties' in copy);
  return { ...copy, ...(isObject && { additionalProperties: false }) } as Value;
}

const validators = new WeakMap<Schema, ValidateFunction>();

function validatorOf(schema: Schema): ValidateFunction {
  const validator =
    validators.get(schema) ?? ajv.compile({ ...closed(schema), components: { schemas: closedSchemas } });
  validators.set(schema, validator);
  return validator;
}

/** How a value violates a schema of the document. */
export function errorsOf(schema: Schema, value: unknown): string[] {
  const validate = validatorOf(schema);
  validate(value);
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
  );
}

/** Expects a response to be one that the document describes: status, media type, headers and body. */
export function expectDocumented(operation: Operation, { status, headers: received, body }: Reply): void {
  const response = operation.responses[status];
  const type = received.get('content-type')?.split(';')[0] ?? '';
  expect({ status, types: Object.keys(response?.content ?? {}) }).toEqual({ status, types: type ? [type] : [] });
  expect(errorsOf(response?.content?.[type]?.schema ?? {}, body)).toEqual([]);
  for (const [name, header] of Object.entries(response?.headers ?? {})) {
    const { required, schema = {} } = header.$ref ? (headers[name] ?? {}) : header;
    const text = received.get(name);
    if (text === null) expect(required === true ? `${name} is missing` : '').toBe('');
    else expect(errorsOf(schema, schema['type'] === 'integer' ? Number(text) : text)).toEqual([]);
  }
}
