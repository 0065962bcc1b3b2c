import type { Request } from 'express';
import { z } from 'zod';
import { paging as pagingQuery } from '#api/route.ts';
import { Problem } from '#platform/http/problem.ts';
import type { Caller } from '#platform/http/token.ts';
import { uuid } from '#platform/values/uuid.ts';
import type { Sealer } from './seal.ts';

/** The requested page: `?limit=1..100&cursor=<nextCursor of the page before>`. */
export interface PageRequest<Key> {
  /** The key of the last row of the page before. */
  after: Key | null;
  limit: number;
  /** The cursor of the page that begins after the row with this key. */
  cursorOf: (key: Key) => string;
}

/** Where a row is in a list that is sorted by a time of the database, which is finer than a Date, and an id. */
export const position = z.tuple([z.string(), uuid]);
export type Position = z.infer<typeof position>;

export interface Page<Row> {
  data: Row[];
  nextCursor: string | null;
}

/** Reads queries and pages of requests. */
export interface Paging {
  /** Throws `bad_cursor` for a cursor that does not hold a `key`, or is of another caller or list. */
  pageRequest<Key>(request: Request, key: z.ZodType<Key>): PageRequest<Key>;
  /** Ignores parameters that `schema` does not know. Throws `malformed_request`. */
  readQuery<Query>(request: Request, schema: z.ZodType<Query>): Query;
}

export function createPaging({ seal, unseal }: Sealer): Paging {
  return {
    readQuery,
    pageRequest: (request, key) => {
      const { limit, cursor } = readQuery(request, pagingQuery);
      const caller = request.res?.locals['caller'] as Caller | undefined;
      const scope = { purpose: `${request.baseUrl}${request.path}`, userId: caller?.id ?? '' };
      const cursorOf = (of: unknown) => seal(Buffer.from(JSON.stringify(of)).toString('base64url'), scope);
      if (cursor === undefined) return { after: null, limit, cursorOf };
      const after = key.safeParse(decoded(unseal(cursor, scope) ?? ''));
      if (!after.success) throw new Problem('bad_cursor', 'Take nextCursor of the page before, or begin without one.');
      return { after: after.data, limit, cursorOf };
    },
  };
}

function readQuery<Query>(request: Request, schema: z.ZodType<Query>): Query {
  const parsed = schema.safeParse(request.query);
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues.map(({ path, message }) => ({ field: path.join('.'), message }));
  throw new Problem('malformed_request', 'See errors for what to correct in the query.', { errors });
}

/** A page of rows that were read with a limit of one more than requested. */
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
