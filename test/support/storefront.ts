import { afterAll, afterEach, beforeAll, beforeEach } from '@jest/globals';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createSealer } from '#functions/storefront/http/seal.ts';
import { createStorefront } from '#functions/storefront/index.ts';
import { createCursors } from '#functions/storefront/stream/cursor.ts';
import type { FunctionRequest } from '#platform/http/function-client.ts';
import { serveHttp, type HttpServer } from '#platform/http/http-server.ts';
import { Problem } from '#platform/http/problem.ts';
import { bearer } from '#test/support/calls.ts';
import { context, useFunctions } from '#test/support/context.ts';
import { readStream, type StreamReader } from '#test/support/event-stream.ts';
import type { Customer } from '#test/support/fixtures.ts';
import { until } from '#test/support/until.ts';

/** A storefront on a free port, in the context of this test file and with its settings as they are now. */
async function serveStorefront(): Promise<HttpServer & { url: string }> {
  const http = await serveHttp(createStorefront(context), { port: 0, host: '127.0.0.1' });
  return { ...http, url: `http://127.0.0.1:${(http.server.address() as AddressInfo).port}` };
}

export interface AskOptions {
  /** The caller's id; without it the request has no token. */
  as?: string;
  role?: 'customer' | 'admin';
  /** POST if there is a body, otherwise GET. */
  method?: string;
  /** Sent as it is if it is a string, otherwise as JSON. */
  body?: unknown;
  headers?: Record<string, string>;
}

interface Body {
  code: string;
  data: Record<string, unknown>[];
  nextCursor: string | null;
  [name: string]: unknown;
}

/**
 * Serves the storefront to a test file. `called` lists the functions that it called in this test; they respond with
 * `functions.status`, or are unavailable if that is 503.
 */
export function useStorefront() {
  let storefront: Awaited<ReturnType<typeof serveStorefront>>;
  beforeAll(async () => {
    storefront = await serveStorefront();
  });
  afterAll(() => storefront.stop());

  const called: { name: string; request: FunctionRequest }[] = [];
  const functions = { status: 201 };
  beforeEach(() => {
    called.length = 0;
    functions.status = 201;
    useFunctions(async (name, request) => {
      called.push({ name, request });
      if (functions.status === 503) throw new Problem('unavailable', 'not now', { retryAfterSeconds: 1 });
      return { statusCode: functions.status, headers: { 'content-type': 'application/json' }, body: { from: name } };
    });
  });

  async function ask(path: string, { as, role = 'customer', method, body, headers = {} }: AskOptions = {}) {
    const response = await fetch(storefront.url + path, {
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      headers: {
        ...(as && (await bearer(as, role))),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: (text ? JSON.parse(text) : {}) as Body };
  }

  return { ask, called, functions };
}

const streamLimits = { STREAM_LIMIT: '8', STREAM_LIMIT_PER_USER: '5', STREAM_LIMIT_PER_ADDRESS: '50' };

/** Serves the event streams of the storefront to a test file; streams that a test left open are closed after it. */
export function useStreams() {
  Object.assign(process.env, streamLimits);
  let storefront: Awaited<ReturnType<typeof serveStorefront>>;
  let inFlight = 0;
  const open: StreamReader[] = [];

  async function serve(): Promise<void> {
    storefront = await serveStorefront();
    storefront.server.on('request', (_request, response: ServerResponse) => {
      inFlight += 1;
      response.once('close', () => (inFlight -= 1));
    });
  }
  const idle = () => until('no request is in flight', () => inFlight === 0, 20_000);
  const closeAll = () => Promise.all(open.splice(0).map((stream) => stream.close()));
  beforeAll(serve);
  afterEach(async () => {
    await closeAll();
    await idle();
  });
  afterAll(() => storefront.stop());

  async function watch({ userId }: Pick<Customer, 'userId'>, lastEventId?: string): Promise<StreamReader> {
    const headers = { ...(await bearer(userId)), ...(lastEventId !== undefined && { 'last-event-id': lastEventId }) };
    const stream = await readStream(`${storefront.url}/v1/events`, headers);
    open.push(stream);
    return stream;
  }

  return {
    url: () => storefront.url,
    /** Opens the stream of a customer, resumed from `lastEventId` if it is given. */
    watch,
    /** Waits until no request is in flight. */
    idle,
    /** Stops the storefront while `work` runs, and serves it again afterwards. */
    async stopped(work: () => Promise<void>): Promise<void> {
      await storefront.stop();
      await work();
      await serve();
    },
    /** Runs `work` against another storefront with these settings. */
    async withSettings(settings: Partial<typeof streamLimits>, work: () => Promise<void>): Promise<void> {
      const before = storefront;
      Object.assign(process.env, settings);
      storefront = await serveStorefront();
      await work();
      await closeAll();
      await storefront.stop();
      Object.assign(process.env, streamLimits);
      storefront = before;
    },
  };
}

/** Waits until a stream has received `count` messages. */
export const received = (stream: StreamReader, count: number) =>
  until(`${count} messages of a stream`, () => stream.messages.length >= count, 20_000);

/** The ids of the entries that a stream has received. */
export const idsOf = (stream: StreamReader) => stream.messages.map(({ data }) => data.id);

const cursors = createCursors(createSealer(process.env['CURSOR_KEY'] ?? ''));

/** A cursor of a customer at a time that is `hours` ahead, or ago if negative. */
export const cursorOf = ({ userId }: { userId: string }, hours: number) =>
  cursors.write({ at: new Date(Date.now() + hours * 3_600_000), keys: [] }, userId);
