import type { Request } from 'express';
import { z } from 'zod';
import { paging } from '#api/route.ts';
import { Problem } from '#platform/http/problem.ts';
import type { Caller } from '#platform/http/token.ts';
import { uuid } from '#platform/values/uuid.ts';
import { seal, unseal } from './seal.ts';

/** Which page is asked for: `?limit=1..100&cursor=<nextCursor of the page before>`. */
export interface PageRequest<Key> {
  /** The key of the last row of the page before. */
  after: Key | null;
  limit: number;
  /** The cursor that goes on after a row with this key. */
  cursorOf: (key: Key) => string;
}

/** Where a row stands in a list that is sorted by a time of the database, which is finer than a Date, and an id. */
export const position = z.tuple([z.string(), uuid]);
export type Position = z.infer<typeof position>;

export interface Page<Row> {
  data: Row[];
  nextCursor: string | null;
}

/** Reads the paging of a request; a cursor that does not hold a `key` is refused. */
export function pageRequest<Key>(request: Request, key: z.ZodType<Key>): PageRequest<Key> {
  const { limit, cursor } = readQuery(request, paging);
  const caller = request.res?.locals['caller'] as Caller | undefined;
  const scope = { purpose: `${request.baseUrl}${request.path}`, userId: caller?.id ?? '' };
  const cursorOf = (of: Key) => seal(Buffer.from(JSON.stringify(of)).toString('base64url'), scope);
  if (cursor === undefined) return { after: null, limit, cursorOf };
  const after = key.safeParse(decoded(unseal(cursor, scope) ?? ''));
  if (!after.success) throw new Problem('bad_cursor', 'Take nextCursor of the page before, or begin without one.');
  return { after: after.data, limit, cursorOf };
}

/** Reads the query of a request; parameters that `schema` does not know are ignored. Throws `malformed_request`. */
export function readQuery<Query>(request: Request, schema: z.ZodType<Query>): Query {
  const parsed = schema.safeParse(request.query);
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues.map(({ path, message }) => ({ field: path.join('.'), message }));
  throw new Problem('malformed_request', 'See errors for what to correct in the query.', { errors });
}

/** A page made of rows that were read with a limit of one more than asked for. */
export function page<Row, Key>(
  rows: Row[],
  { limit, cursorOf }: Pick<PageRequest<Key>, 'limit' | 'cursorOf'>,
  keyOf: (row: Row) => Key,
): Page<Row> {
  const data = rows.slice(0, limit);
  const last = data.at(-1);
  return { data, nextCursor: rows.length > limit && last ? cursorOf(keyOf(last)) : null };
}

function decoded(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    return undefined;
  }
}
