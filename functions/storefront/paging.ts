import type { Request } from 'express';
import type { z } from 'zod';
import { paging } from '#api/route.ts';
import { Problem } from '#platform/problem.ts';

/** Which page is asked for: `?limit=1..100&cursor=<nextCursor of the page before>`. */
export interface PageRequest<Key> {
  /** The key of the last row of the page before. */
  after: Key | null;
  limit: number;
}

export interface Page<Row> {
  data: Row[];
  nextCursor: string | null;
}

/** Reads the paging of a request; a cursor that does not hold a `key` is refused. */
export function pageRequest<Key>(request: Request, key: z.ZodType<Key>): PageRequest<Key> {
  const { limit, cursor } = readQuery(request, paging);
  if (cursor === undefined) return { after: null, limit };
  const after = key.safeParse(decoded(cursor));
  if (!after.success) throw new Problem('bad_cursor', 'Take nextCursor of the page before, or begin without one.');
  return { after: after.data, limit };
}

/** Reads the query of a request; parameters that `schema` does not know are ignored. Throws `malformed_request`. */
export function readQuery<Query>(request: Request, schema: z.ZodType<Query>): Query {
  const parsed = schema.safeParse(request.query);
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues.map(({ path, message }) => ({ field: path.join('.'), message }));
  throw new Problem('malformed_request', 'See errors for what to correct in the query.', { errors });
}

/** A page made of rows that were read with a limit of one more than asked for. */
export function page<Row>(rows: Row[], { limit }: { limit: number }, keyOf: (row: Row) => unknown): Page<Row> {
  const data = rows.slice(0, limit);
  const last = data.at(-1);
  return { data, nextCursor: rows.length > limit && last ? encoded(keyOf(last)) : null };
}

const encoded = (key: unknown) => Buffer.from(JSON.stringify(key)).toString('base64url');

function decoded(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    return undefined;
  }
}
