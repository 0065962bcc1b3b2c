import type { Request, Response } from 'express';
import type { Clock } from '#platform/database/clock.ts';
import type { Database } from '#platform/database/database.ts';
import { Problem } from '#platform/http/problem.ts';
import type { Authenticated } from '#platform/http/token.ts';
import { repeat } from '#platform/runtime/tasks.ts';
import type { ClientAddress } from '../http/client-address.ts';
import { databaseTime } from '../orders/histories.ts';
import type { StorefrontSettings } from '../settings.ts';
import { windowMs, type Cursors } from './cursor.ts';
import { findEntries, type OwnEntry } from './entries.ts';

const heartbeatMs = 15_000;
/** A client that is this far behind is disconnected, and has to resume the stream. */
const maxBehindBytes = 2_000_000;
/** Rows of each kind per customer that are read to resume a stream, and by each poll. */
const maxRows = { resume: 1_000, poll: 5_000 };

/** An open stream that has begun. */
interface Stream {
  userId: string;
  response: Response;
  /** What happened before was sent, or preceded the stream. */
  since: Date;
  /** When the entries since then that were sent happened, by their keys. */
  sent: Map<string, Date>;
  /** When the client last got a `reset`. */
  resetAt?: Date;
}

interface Parts {
  database: Database;
  clock: Pick<Clock, 'now'>;
  cursors: Cursors;
  limitedAddress: ClientAddress['limitedAddress'];
  settings: Pick<StorefrontSettings, 'STREAM_LIMIT' | 'STREAM_LIMIT_PER_USER' | 'STREAM_LIMIT_PER_ADDRESS'>;
}

export interface Streams {
  /** Streams the entries of a customer until the token expires, from `lastEventId` on if there is one. */
  open(request: Request, response: Response, caller: Authenticated, lastEventId: string | undefined): Promise<void>;
}

/** The event streams of this process: one poll of the database serves all of them. */
export function createStreams({ database, clock, cursors, limitedAddress, settings }: Parts): Streams {
  const openStreams = new Map<Response, { userId: string; address: string }>();
  const streams = new Set<Stream>();
  let polledAt: Date;
  let stopPolling: (() => Promise<void>) | undefined;

  async function open(
    request: Request,
    response: Response,
    caller: Authenticated,
    lastEventId: string | undefined,
  ): Promise<void> {
    count(response, caller.id, limitedAddress(request));
    const now = await databaseTime(database);
    const cursor = cursors.read(lastEventId, caller.id, now);
    const since = new Date((cursor?.at ?? now).getTime() - windowMs);
    const found = await findEntries(database, { userIds: [caller.id], since, maxRows: maxRows.resume });
    const entries = found.of.get(caller.id) ?? [];
    const isCut = cursor !== undefined && found.cut.has(caller.id);
    if (response.closed) return;
    const sent = new Map(
      cursor ? cursor.keys.map((key) => [key, cursor.at]) : entries.map(({ key, entry }) => [key, entry.at]),
    );
    const stream: Stream = { userId: caller.id, response, since, sent };
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no', // for proxies that buffer responses
    });
    response.write('retry: 1000\n\n');
    if (!cursor) response.write(`id: ${cursors.write({ at: now, keys: [...sent.keys()] }, caller.id)}\n\n`);
    if (isCut) reset(stream, now);
    else send(stream, entries, now);
    begin(stream, now, caller.expiresAtMs);
  }

  function count(response: Response, userId: string, address: string): void {
    const all = [...openStreams.values()];
    const own = all.filter((stream) => stream.userId === userId).length;
    if (own >= settings.STREAM_LIMIT_PER_USER) {
      throw new Problem('too_many_requests', `You have ${own} streams open.`, { retryAfterSeconds: 5 });
    }
    if (all.filter((stream) => stream.address === address).length >= settings.STREAM_LIMIT_PER_ADDRESS) {
      throw new Problem('too_many_requests', 'Too many streams are open from your address.', { retryAfterSeconds: 5 });
    }
    if (openStreams.size >= settings.STREAM_LIMIT) {
      throw new Problem('unavailable', 'Too many streams are open.', { retryAfterSeconds: 5 });
    }
    openStreams.set(response, { userId, address });
    response.once('close', () => openStreams.delete(response));
  }

  function begin(stream: Stream, now: Date, expiresAtMs: number): void {
    const { response } = stream;
    streams.add(stream);
    if (!stopPolling) {
      polledAt = now;
      stopPolling = repeat(50, 'the poll of the event streams', poll);
    }
    const heartbeat = setInterval(() => {
      // the stream has ended, but its client does not read the rest
      if (response.writableEnded) response.destroy();
      else response.write(':\n\n');
    }, heartbeatMs);
    const expiry = setTimeout(() => response.end(), expiresAtMs - clock.now());
    response.once('close', () => {
      clearInterval(heartbeat);
      clearTimeout(expiry);
      streams.delete(stream);
      if (streams.size > 0) return;
      void stopPolling?.();
      stopPolling = undefined;
    });
  }

  /** One poll for all streams. Commits are not in the order of their times, so it reads the last 10 s again. */
  async function poll(): Promise<void> {
    const now = await databaseTime(database);
    const userIds = [...new Set([...streams].map(({ userId }) => userId))];
    // since the last successful poll, however long the database was away
    const since = new Date(polledAt.getTime() - windowMs);
    const { of, cut } = await findEntries(database, { userIds, since, maxRows: maxRows.poll });
    polledAt = now;
    for (const stream of streams) {
      if (cut.has(stream.userId)) reset(stream, now);
      else send(stream, of.get(stream.userId) ?? [], now);
    }
  }

  /**
   * More happened than is read at once: sends `reset`, once per window, and continues from now. The client reads its lists
   * again, as after the 410 of a watch in Kubernetes.
   */
  function reset(stream: Stream, now: Date): void {
    if (stream.resetAt && now.getTime() - stream.resetAt.getTime() < windowMs) return;
    stream.resetAt = now;
    stream.since = now;
    stream.sent.clear();
    const id = cursors.write({ at: new Date(now.getTime() + windowMs), keys: [] }, stream.userId);
    stream.response.write(`id: ${id}\nevent: reset\ndata: {"reason":"too much has happened"}\n\n`);
  }

  /** Sends what was not sent yet. The id of a message says how far the stream has come with it. */
  function send(stream: Stream, entries: OwnEntry[], now: Date): void {
    const { response, sent } = stream;
    const keys = [...sent.keys()];
    for (const { key, entry } of entries) {
      if (response.writableEnded) return;
      if (sent.has(key) || entry.at < stream.since) continue;
      sent.set(key, entry.at);
      keys.push(key);
      // what is read because a stream is resumed may be older
      const at = new Date(Math.min(now.getTime(), entry.at.getTime() + windowMs));
      response.write(
        `id: ${cursors.write({ at, keys }, stream.userId)}\nevent: ${entry.type}\ndata: ${JSON.stringify(entry)}\n\n`,
      );
      if (response.writableLength > maxBehindBytes) response.end();
    }
    stream.since = new Date(Math.max(stream.since.getTime(), now.getTime() - windowMs));
    for (const [key, at] of sent) if (at < stream.since) sent.delete(key);
  }

  return { open };
}
