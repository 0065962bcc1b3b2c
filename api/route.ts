import { z } from 'zod';
import type { ProblemCode } from '#platform/http/problem.ts';

/** One route of the API: what may be sent and everything that it answers. */
export interface Route {
  method: 'get' | 'post' | 'delete';
  /** As OpenAPI writes it: `/v1/orders/{id}`. */
  path: `/${string}`;
  summary: string;
  description?: string;
  who: 'anybody' | 'customer' | 'admin';
  query?: z.ZodObject;
  /** A named schema. */
  body?: z.ZodType;
  /** A body that is right. */
  example?: unknown;
  /** Needs an `Idempotency-Key` and is carried out once for each. */
  idempotent?: true;
  /** The answers that are no problems, by status. */
  answers: Record<number, RouteResponse>;
  /** The problems of this route alone; `problemsOf` knows those that follow from the rest. */
  problems?: ProblemCode[];
}

export interface RouteResponse {
  description: string;
  /** The named schema of a JSON body, or the media type of another one; nothing if there is no body. */
  body?: z.ZodType | 'text/html' | 'text/event-stream';
  headers?: 'Location'[];
}

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

/** Every problem that a route can answer with, but `internal`: that would be a defect. */
export function problemsOf({ path, who, query, body, idempotent, problems = [] }: Route): ProblemCode[] {
  const withId = path.includes('{');
  return [
    ...(query || withId || body ? (['malformed_request'] as const) : []),
    ...(query && 'cursor' in query.shape ? (['bad_cursor'] as const) : []),
    ...(idempotent ? (['idempotency_key_required'] as const) : []),
    ...(who === 'anybody' ? [] : (['unauthenticated'] as const)),
    ...(who === 'admin' ? (['forbidden'] as const) : []),
    ...(withId ? (['not_found'] as const) : []),
    ...(body ? (['body_too_large', 'unsupported_media_type', 'invalid_body'] as const) : []),
    ...(idempotent ? (['idempotency_key_reused'] as const) : []),
    ...(path.startsWith('/v1/') ? (['too_many_requests', 'unavailable'] as const) : []),
    ...problems,
  ];
}
