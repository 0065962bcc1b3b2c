import { Problem } from '#platform/http/problem.ts';
import type { Sealer } from '../http/seal.ts';

/** A statement takes at most 8 s, so what happened earlier than this is committed and visible. */
export const windowMs = 10_000;

/** How far back a stream can be resumed. */
const resumableMs = 24 * 60 * 60_000;
const maxKeys = 50;

/** How far a stream has come, as the ids of its messages say: any instance can resume it. */
export interface Cursor {
  /** Everything that happened up to `windowMs` before this was sent. */
  at: Date;
  /** The keys of what happened later and was sent too; the newest of them, if there were more than an id can hold. */
  keys: string[];
}

const scope = (userId: string) => ({ purpose: 'stream', userId });

/** Reads and writes cursors. */
export interface Cursors {
  /** Writes a cursor, with the last 50 of its keys. */
  write(cursor: Cursor, userId: string): string;
  /**
   * Reads the `Last-Event-ID` of a request, by the time of the database. Throws `bad_cursor` for one that was not written
   * for this customer, or is older than a day.
   */
  read(id: string | undefined, userId: string, now: Date): Cursor | undefined;
}

export function createCursors({ seal, unseal }: Sealer): Cursors {
  return {
    write: ({ at, keys }, userId) =>
      seal(`${at.getTime().toString(36)}.${keys.slice(-maxKeys).join('')}`, scope(userId)),
    read: (id, userId, now) => {
      if (id === undefined || id === '') return undefined;
      const [, at = '', keys = ''] = /^([0-9a-z]+)\.([\w-]*)$/.exec(unseal(id, scope(userId)) ?? '') ?? [];
      const cursor = { at: new Date(Number.parseInt(at, 36)), keys: keys.match(/.{8}/g) ?? [] };
      const ageMs = now.getTime() - cursor.at.getTime();
      if (ageMs > -windowMs && ageMs < resumableMs) return cursor;
      throw new Problem('bad_cursor', 'Last-Event-ID must be an id of this stream, of the last 24 hours.');
    },
  };
}
