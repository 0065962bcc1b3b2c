import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll } from '@jest/globals';
import pg from 'pg';
import { createBroker, type Broker, type Deliver } from '#local/broker/broker.ts';
import { serveBroker } from '#local/broker/http.ts';
import { readManifests } from '#events/topology/manifests.ts';
import { functionNames } from '#local/functions.ts';
import { createStorefront } from '#functions/storefront/index.ts';
import { bearer } from '#test/support/calls.ts';
import { context, useBroker, useFunctions } from '#test/support/context.ts';
import { row, useDatabase } from '#test/support/database.ts';
import { databaseUrl } from '#test/support/global-setup.ts';
import { until } from '#test/support/until.ts';
import { serveHttp } from '#platform/http/http-server.ts';
import type { EventFunction, EventHandle } from '#platform/events/on-event.ts';
import type { RequestFunction, RequestHandle } from '#platform/http/on-request.ts';

let url = '';
let broker: Broker;
const stops: (() => Promise<unknown>)[] = [];

/**
 * Runs the storefront, every function behind it and a broker in the process of this test file, on a database of its own.
 * `limit` is the number of requests a second that one caller may send.
 */
export function useInProcessShop({ limit }: { limit?: number } = {}): void {
  if (limit !== undefined) process.env['RATE_LIMIT_REQUESTS'] = String(limit);
  // each request has its own client address by default
  process.env['PROXY_HOPS'] = '2';
  // before the database is dropped
  afterAll(async () => {
    for (const stop of stops.splice(0)) await stop();
  });
  useDatabase();
  beforeAll(start);
}

async function start(): Promise<void> {
  const functions = new Map<string, EventFunction | RequestFunction>();
  const deliver: Deliver = async (subscriber, event) => {
    const found = functions.get(subscriber);
    return found && 'deliver' in found ? found.deliver(event) : { status: 404 };
  };
  broker = createBroker({ manifests: readManifests('broker'), deliver });
  const ingress = await serveBroker(broker, { port: 0 });
  process.env['K_SINK'] = `http://127.0.0.1:${ingress.port}/shop/default`;
  for (const name of functionNames.filter((one) => one !== 'storefront')) {
    const { handle } = (await import(`#functions/${name}/index.ts`)) as { handle: EventHandle | RequestHandle };
    functions.set(name, handle(context.of(name)));
  }
  useBroker(async (event) => void (await broker.ingest(event)));
  useFunctions(async (name, { headers, body }) => {
    const found = functions.get(name);
    if (!found) throw new Error(`there is no function ${name}`);
    return found({ method: 'POST', headers, body });
  });
  const storefront = await serveHttp(createStorefront(context), { port: 0, host: '127.0.0.1' });
  url = `http://127.0.0.1:${(storefront.server.address() as AddressInfo).port}`;
  stops.push(storefront.stop, settled, ingress.close, broker.close);
}

/** Resolves once everything that follows from the requests so far is done. */
export async function settled(): Promise<void> {
  await context.tasks.done(10_000);
  await broker.idle();
  await context.tasks.done(10_000);
}

export interface Ask {
  /** The user id of the caller; without it the request has no token. */
  as?: string | undefined;
  role?: 'customer' | 'admin' | undefined;
  /** Sent as JSON; strings and bytes are sent unchanged. */
  body?: unknown;
  /** The address of the caller. */
  from?: string;
  headers?: Record<string, string>;
  /** Whether a 429 is retried; true by default. */
  retry?: boolean;
}

export interface Reply {
  status: number;
  headers: Headers;
  body: unknown;
}

/** Sends a request to the storefront from its own client address, and again while the response is 429. */
export async function ask(method: string, path: string, request: Ask = {}): Promise<Reply> {
  for (;;) {
    const reply = await once(method, path, request);
    if (reply.status !== 429 || request.retry === false) return reply;
    await pause(100);
  }
}

let callers = 0;

async function once(method: string, path: string, { as, role, body, from, headers }: Ask): Promise<Reply> {
  callers += 1;
  const response = await fetch(url + path, {
    method: method.toUpperCase(),
    headers: {
      ...(as !== undefined && (await bearer(as, role))),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      'x-forwarded-for': `${from ?? `10.0.${callers >> 8}.${callers & 255}`}, 10.1.1.1`,
      ...headers,
    },
    ...(body !== undefined && {
      body: typeof body === 'string' || body instanceof Buffer ? body : JSON.stringify(body),
    }),
  });
  const isStream = response.headers.get('content-type') === 'text/event-stream';
  const text = isStream ? await firstChunk(response) : await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') ?? false;
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
}

/** The first chunk of a stream. */
async function firstChunk({ body }: Response): Promise<string> {
  for await (const chunk of body ?? []) return Buffer.from(chunk as Uint8Array).toString();
  return '';
}

/** Posts an unsigned event to the broker. */
export async function postUnsigned(type: string, data: unknown): Promise<void> {
  const attributes = { 'ce-specversion': '1.0', 'ce-id': 'x', 'ce-source': '/x', 'ce-type': type };
  const headers = { ...attributes, 'content-type': 'application/json' };
  await fetch(process.env['K_SINK'] ?? '', { method: 'POST', headers, body: JSON.stringify(data) });
}

/** Calls `act` while the database accepts no connection; those of the test itself stay open. */
export async function withoutDatabase<Result>(act: () => Promise<Result>): Promise<Result> {
  const { name } = await row<{ name: string }>('select current_database() as name');
  const server = new pg.Client({ connectionString: databaseUrl(process.env['TEST_POSTGRES_URL'] ?? '', 'postgres') });
  await server.connect();
  try {
    await server.query(`alter database ${name} with allow_connections false`);
    // the connections of the functions have a name; all of them end before the functions are called again
    await server.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and application_name <> ''`,
      [name],
    );
    await until('every connection of the functions has ended', async () => {
      const { rows } = await server.query(
        `select pid from pg_stat_activity where datname = $1 and application_name <> ''`,
        [name],
      );
      return rows.length === 0;
    });
    return await act();
  } finally {
    await server.query(`alter database ${name} with allow_connections true`);
    await server.end();
  }
}
