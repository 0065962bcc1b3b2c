import { z } from 'zod';
import type { ProblemCode } from '#platform/http/problem.ts';

/** One route of the API: what may be sent, and every response. The storefront serves the routes from these entries. */
export interface Route {
  method: 'get' | 'post' | 'delete';
  /** As OpenAPI writes it: `/v1/orders/{id}`. */
  path: `/${string}`;
  summary: string;
  description?: string;
  /** Its callers: without a token, with one of a customer (or the administrator), or the administrator alone. */
  access: 'public' | 'customer' | 'admin';
  /** The function that carries it out; otherwise the storefront does. */
  function?: string;
  query?: z.ZodObject;
  /** A named schema. */
  body?: z.ZodType;
  /** A valid body. */
  example?: unknown;
  /** Requires an `Idempotency-Key` and is carried out once for each. */
  idempotent?: true;
  /** The responses that are no problems, by status; the first is that of success. */
  responses: Record<number, RouteResponse>;
  /** The problems of this route alone; `problemsOf` adds those that follow from the rest. */
  problems?: ProblemCode[];
}

export interface RouteResponse {
  description: string;
  /** The named schema of a JSON body, or the media type of another one; missing if there is no body. */
  body?: z.ZodType | 'text/html' | 'text/event-stream';
  headers?: 'Location'[];
}

/** Types a table of routes by name, so that each has its own query and body. */
export const defineRoutes = <const Table extends Record<string, Route>>(table: Table): Table => table;

/** A schema with a name, under which the documents show it. */
export const named = <Schema extends z.ZodType>(id: string, schema: Schema): Schema => schema.meta({ id });

/** The paging of a list: `?limit=1..100&cursor=<nextCursor of the page before>`. */
export const paging = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(20).meta({ description: 'How many rows at most.' }),
  cursor: z.string().optional().meta({ description: '`nextCursor` of the page before.' }),
});

/** A page of a list. `nextCursor` is null on the last one. */
export const pageOf = (id: string, row: z.ZodType) =>
  named(id, z.object({ data: z.array(row), nextCursor: z.string().nullable() }));

/** Every problem that a route can return, but `internal`: that would be a defect. */
export function problemsOf({ path, access, query, body, idempotent, problems = [] }: Route): ProblemCode[] {
  const withId = path.includes('{');
  return [
    ...(query || withId || body ? (['malformed_request'] as const) : []),
    ...(query && 'cursor' in query.shape ? (['bad_cursor'] as const) : []),
    ...(idempotent ? (['idempotency_key_required'] as const) : []),
    ...(access === 'public' ? [] : (['unauthenticated'] as const)),
    ...(access === 'admin' ? (['forbidden'] as const) : []),
    ...(withId ? (['not_found'] as const) : []),
    ...(body ? (['body_too_large', 'unsupported_media_type', 'invalid_body'] as const) : []),
    ...(idempotent ? (['idempotency_key_reused'] as const) : []),
    ...(path.startsWith('/v1/') ? (['too_many_requests', 'unavailable'] as const) : []),
    ...problems,
  ];
}
