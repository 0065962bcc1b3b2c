import { Problem } from '#platform/http/problem.ts';
import { seal, unseal } from '#functions/storefront/http/seal.ts';

/** A statement takes at most 8 s, so what has happened earlier than this is committed and can be seen. */
export const windowMs = 10_000;

/** How far back a stream can be taken up again. */
const reachMs = 24 * 60 * 60_000;
const maxKeys = 50;

/** How far a stream has come, as the id of its messages carries it: any instance can take it up again. */
export interface Cursor {
  /** Everything that has happened `windowMs` before it was sent. */
  at: Date;
  /** Of what has happened since then this was sent too; the newest of it, if there was more than an id can hold. */
  keys: string[];
}

const scope = (userId: string) => ({ purpose: 'stream', userId });

/** Writes a cursor; of its keys the last 50. */
export const writeCursor = ({ at, keys }: Cursor, userId: string): string =>
  seal(`${at.getTime().toString(36)}.${keys.slice(-maxKeys).join('')}`, scope(userId));

/**
 * Reads the `Last-Event-ID` of a request by the time of the database. Throws `bad_cursor` for what was not written for
 * this customer, or is older than a day.
 */
export function readCursor(id: string | undefined, userId: string, now: Date): Cursor | undefined {
  if (id === undefined || id === '') return undefined;
  const [, at = '', keys = ''] = /^([0-9a-z]+)\.([\w-]*)$/.exec(unseal(id, scope(userId)) ?? '') ?? [];
  const cursor = { at: new Date(Number.parseInt(at, 36)), keys: keys.match(/.{8}/g) ?? [] };
  const ageMs = now.getTime() - cursor.at.getTime();
  if (ageMs > -windowMs && ageMs < reachMs) return cursor;
  throw new Problem('bad_cursor', 'Last-Event-ID must be an id of this stream, of the last 24 hours.');
}
