import type { Request, Response } from 'express';
import { repeat } from '#platform/runtime/background.ts';
import { now as clockTime } from '#platform/database/clock.ts';
import { Problem } from '#platform/http/problem.ts';
import type { Authenticated } from '#platform/http/token.ts';
import { limitedAddress } from '#functions/storefront/http/client-address.ts';
import { readCursor, windowMs, writeCursor } from './cursor.ts';
import { findEntries, type OwnEntry } from './entries.ts';
import { storefrontSettings } from '#functions/storefront/settings.ts';
import { databaseTime } from '#functions/storefront/orders/histories.ts';

const heartbeatMs = 15_000;
/** Who is so far behind gets this much and has to take the stream up again. */
const maxBehindBytes = 2_000_000;
/** Rows of each kind that are read of a customer to take a stream up again, and by each poll. */
const maxRows = { again: 1_000, poll: 5_000 };

interface Watcher {
  userId: string;
  response: Response;
  /** Everything of before is told, or was before the stream began. */
  since: Date;
  /** What was told of what has happened since then, by its key: when it happened. */
  told: Map<string, Date>;
  /** When the client was last asked to read its lists again. */
  resetAt?: Date;
}

interface Seat {
  userId: string;
  address: string;
}

// open streams, and of them those that have begun
const seats = new Map<Response, Seat>();
const watchers = new Set<Watcher>();

/** Streams what happens to a customer until the token expires; what has happened since `lastEventId`, if there is one. */
export async function watch(
  request: Request,
  response: Response,
  caller: Authenticated,
  lastEventId: string | undefined,
): Promise<void> {
  openStream(response, { userId: caller.id, address: limitedAddress(request) });
  const now = await databaseTime();
  const cursor = readCursor(lastEventId, caller.id, now);
  const since = new Date((cursor?.at ?? now).getTime() - windowMs);
  const found = await findEntries([caller.id], since, maxRows.again);
  const facts = found.of.get(caller.id) ?? [];
  const isCut = cursor !== undefined && found.cut.has(caller.id);
  if (response.closed) return;
  const told = new Map(
    cursor ? cursor.keys.map((key) => [key, cursor.at]) : facts.map(({ key, moment }) => [key, moment.at]),
  );
  const watcher: Watcher = { userId: caller.id, response, since, told };
  response.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no', // a proxy that gathers answers is told not to
  });
  response.write('retry: 1000\n\n');
  if (!cursor) response.write(`id: ${writeCursor({ at: now, keys: [...told.keys()] }, caller.id)}\n\n`);
  if (isCut) reset(watcher, now);
  else tell(watcher, facts, now);
  begin(watcher, now, caller.expiresAtMs);
}

function openStream(response: Response, { userId, address }: Seat): void {
  const taken = [...seats.values()];
  const own = taken.filter((seat) => seat.userId === userId).length;
  if (own >= storefrontSettings.STREAM_LIMIT_PER_USER) {
    throw new Problem('too_many_requests', `You have ${own} streams open.`, { retryAfterSeconds: 5 });
  }
  if (taken.filter((seat) => seat.address === address).length >= storefrontSettings.STREAM_LIMIT_PER_ADDRESS) {
    throw new Problem('too_many_requests', 'Too many streams are open from your address.', { retryAfterSeconds: 5 });
  }
  if (seats.size >= storefrontSettings.STREAM_LIMIT) {
    throw new Problem('unavailable', 'Too many streams are open.', { retryAfterSeconds: 5 });
  }
  seats.set(response, { userId, address });
  response.once('close', () => seats.delete(response));
}

let polledAt: Date;
let stopPolling: (() => Promise<void>) | undefined;

function begin(watcher: Watcher, now: Date, expiresAtMs: number): void {
  const { response } = watcher;
  watchers.add(watcher);
  if (!stopPolling) {
    polledAt = now;
    stopPolling = repeat(50, 'the look for facts', look)();
  }
  const heartbeat = setInterval(() => {
    // it has ended, and its reader does not take the rest
    if (response.writableEnded) response.destroy();
    else response.write(':\n\n');
  }, heartbeatMs);
  const expiry = setTimeout(() => response.end(), expiresAtMs - clockTime());
  response.once('close', () => {
    clearInterval(heartbeat);
    clearTimeout(expiry);
    watchers.delete(watcher);
    if (watchers.size > 0) return;
    void stopPolling?.();
    stopPolling = undefined;
  });
}

/** One look for all who watch. Commits do not come in the order of their times, so it reads the last 10 s again. */
async function look(): Promise<void> {
  const now = await databaseTime();
  const userIds = [...new Set([...watchers].map(({ userId }) => userId))];
  // since the last look that succeeded, also when the database was away for longer
  const { of, cut } = await findEntries(userIds, new Date(polledAt.getTime() - windowMs), maxRows.poll);
  polledAt = now;
  for (const watcher of watchers) {
    if (cut.has(watcher.userId)) reset(watcher, now);
    else tell(watcher, of.get(watcher.userId) ?? [], now);
  }
}

/**
 * More has happened than is read at once: says so, once in a window, and goes on from now. The client reads its lists
 * again, as after the 410 of a watch in Kubernetes.
 */
function reset(watcher: Watcher, now: Date): void {
  if (watcher.resetAt && now.getTime() - watcher.resetAt.getTime() < windowMs) return;
  watcher.resetAt = now;
  watcher.since = now;
  watcher.told.clear();
  const id = writeCursor({ at: new Date(now.getTime() + windowMs), keys: [] }, watcher.userId);
  watcher.response.write(`id: ${id}\nevent: reset\ndata: {"reason":"too much has happened"}\n\n`);
}

/** Sends what was not sent yet. Its id says how far the stream has come with it. */
function tell(watcher: Watcher, facts: OwnEntry[], now: Date): void {
  const { response, told } = watcher;
  const keys = [...told.keys()];
  for (const { key, moment } of facts) {
    if (response.writableEnded) return;
    if (told.has(key) || moment.at < watcher.since) continue;
    told.set(key, moment.at);
    keys.push(key);
    // what is read because a stream is taken up again may lie further back
    const at = new Date(Math.min(now.getTime(), moment.at.getTime() + windowMs));
    response.write(
      `id: ${writeCursor({ at, keys }, watcher.userId)}\nevent: ${moment.type}\ndata: ${JSON.stringify(moment)}\n\n`,
    );
    if (response.writableLength > maxBehindBytes) response.end();
  }
  watcher.since = new Date(Math.max(watcher.since.getTime(), now.getTime() - windowMs));
  for (const [key, at] of told) if (at < watcher.since) told.delete(key);
}
