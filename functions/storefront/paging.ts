import type { Request } from 'express';
import { z } from 'zod';
import { Problem } from '#platform/problem.ts';

const defaultLimit = 20;

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
  const { limit = String(defaultLimit), cursor } = request.query;
  const wanted = z.coerce.number().int().min(1).max(100).safeParse(limit);
  if (!wanted.success) throw new Problem('malformed_request', 'limit must be a whole number from 1 to 100.');
  if (cursor === undefined) return { after: null, limit: wanted.data };
  const after = key.safeParse(decoded(cursor));
  if (!after.success) throw new Problem('bad_cursor', 'Take nextCursor of the page before, or begin without one.');
  return { after: after.data, limit: wanted.data };
}

/** A page made of rows that were read with a limit of one more than asked for. */
export function page<Row>(rows: Row[], { limit }: { limit: number }, keyOf: (row: Row) => unknown): Page<Row> {
  const data = rows.slice(0, limit);
  const last = data.at(-1);
  return { data, nextCursor: rows.length > limit && last ? encoded(keyOf(last)) : null };
}

const encoded = (key: unknown) => Buffer.from(JSON.stringify(key)).toString('base64url');

function decoded(cursor: unknown): unknown {
  if (typeof cursor !== 'string') return undefined;
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    return undefined;
  }
}
