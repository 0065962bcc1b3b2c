import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { AddressInfo } from 'node:net';
import { uuidv7 } from 'uuidv7';
import { bearer } from '#test/support/calls.ts';
import { rows, useDatabase } from '#test/support/database.ts';
import { serveHttp, type HttpServer } from '#platform/http/http-server.ts';
import { context, useFunctions } from '#test/support/context.ts';
import { createStorefront } from '../index.ts';

useDatabase();

let shop: HttpServer;
let url: string;
beforeAll(async () => {
  shop = await serveHttp(createStorefront(context), { port: 0, host: '127.0.0.1' });
  url = `http://127.0.0.1:${(shop.server.address() as AddressInfo).port}/v1/admin/dead-letters`;
});
afterAll(() => shop.stop());

// what replay-events is called with, and its response
const called: unknown[] = [];
let response = { statusCode: 202, headers: {}, body: {} as unknown };
beforeEach(async () => {
  called.length = 0;
  response = { statusCode: 202, headers: {}, body: {} };
  useFunctions(async (name, { body }) => {
    expect(name).toBe('replay-events');
    called.push(body);
    return response;
  });
  await rows('truncate events.dead_letters, events.outbox');
});

interface Body {
  code: string;
  id: string;
  status: string;
  data: { id: string; status: string; type: string }[];
  nextCursor: string | null;
}

interface Options {
  method?: string;
  body?: unknown;
  role?: 'customer' | 'admin';
}

const caller = uuidv7();

async function ask(path: string, { method = 'GET', body, role = 'admin' }: Options = {}) {
  const received = await fetch(url + path, {
    method,
    headers: { ...(await bearer(caller, role)), ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: received.status, headers: received.headers, body: (await received.json()) as Body };
}

interface Stored {
  verified?: boolean;
  type?: string;
  parkedAt?: string;
  replayedAt?: string | null;
  bulkAt?: string | null;
  /** How often its open chain was published; null if the chain is closed. */
  attempts?: number | null;
}

const at = (second: number) => `2026-01-01T10:00:${String(second).padStart(2, '0')}Z`;

async function park({ verified = true, type = 'x', parkedAt = at(1), replayedAt, bulkAt, attempts }: Stored = {}) {
  const id = uuidv7();
  await rows(
    `insert into events.dead_letters (id, verified, source, event_id, type, correlation_id, reason, detail, event,
                                      first_parked_at, last_parked_at, replayed_at, bulk_at)
     values ($1, $2, '/x', $3, $4, $3, 'refused', 'why', $5, $6, $6, $7, $8)`,
    [id, verified, `${id}.placed`, type, { id: `${id}.placed` }, parkedAt, replayedAt, bulkAt],
  );
  if (typeof attempts === 'number') {
    await rows(
      `insert into events.outbox (id, event, attempts, due_at) values ($1, '{}', $2, now() + interval '1 hour')`,
      [`${id}.placed`, attempts],
    );
  }
  return id;
}

describe('derives the status of a dead letter from its chain', () => {
  test.each([
    ['parked', 'not replayed', {}],
    ['parked', 'not replayed, its chain open for another reason', { attempts: 1 }],
    ['replaying', 'its chain is open', { replayedAt: at(2), attempts: 1 }],
    ['replaying', 'its chain is open again after it came back', { parkedAt: at(3), replayedAt: at(2), attempts: 1 }],
    ['parked', 'it came back', { parkedAt: at(3), replayedAt: at(2) }],
    ['done', 'its chain is closed and it did not come back', { replayedAt: at(2) }],
    ['done', 'unverified, did not come back', { verified: false, replayedAt: at(2) }],
    ['done', 'unverified, names an open chain of the shop', { verified: false, replayedAt: at(2), attempts: 1 }],
    ['parked', 'unverified, came back', { verified: false, parkedAt: at(3), replayedAt: at(2) }],
  ] as [string, string, Stored][])('%s: %s', async (status, _why, stored) => {
    const id = await park(stored);
    expect((await ask(`/${id}`)).body).toMatchObject({ id, status, event: { id: `${id}.placed` } });
    expect((await ask(`?status=${status}`)).body.data).toMatchObject([{ id, status }]);
    const others = ['parked', 'replaying', 'done'].filter((other) => other !== status);
    for (const other of others) expect((await ask(`?status=${other}`)).body.data).toEqual([]);
  });
});

test('lists dead letters with cause, age and times, newest first, page by page', async () => {
  const ids: string[] = [];
  // two of them at the same time
  for (const second of [5, 3, 3, 9, 1]) ids.push(await park({ parkedAt: at(second) }));
  const [five, three, other, nine, one] = ids as [string, string, string, string, string];
  const seen: string[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const { body } = await ask(`?limit=2${cursor && `&cursor=${cursor}`}`);
    seen.push(...body.data.map(({ id }) => id));
    cursor = body.nextCursor;
  }
  expect(seen).toEqual([nine, five, other, three, one]);
  expect((await ask(`/${one}`)).body).toMatchObject({
    reason: 'refused',
    detail: 'why',
    times: 1,
    ageSeconds: expect.any(Number),
    firstParkedAt: '2026-01-01T10:00:01.000Z',
  });
});

test('lists a dead letter of an untrusted sender with what, why and how often', async () => {
  await rows(
    `insert into events.dead_letters (id, verified, source, event_id, type, reason, detail, event)
     values ($1, false, '/x', 'x', 'x', 'unverified', 'why', '{}')`,
    [uuidv7()],
  );
  const { body } = await ask('');
  expect(body.data).toMatchObject([{ status: 'parked', verified: false, detail: 'why', times: 1, replayedAt: null }]);
});

test('lists dead letters of a type', async () => {
  const id = await park({ type: 'shop.order.placed.v1' });
  await park({ type: 'y' });
  expect((await ask('?type=shop.order.placed.v1')).body.data).toMatchObject([{ id }]);
  expect((await ask('?type=shop.order.placed.v1&status=done')).body.data).toEqual([]);
});

test.each([
  ['GET', '?status=lost', 400, 'malformed_request'],
  ['GET', '?type=', 400, 'malformed_request'],
  ['GET', `?cursor=${Buffer.from(JSON.stringify(uuidv7())).toString('base64url')}`, 400, 'bad_cursor'],
  ['GET', `/${uuidv7()}`, 404, 'not_found'],
  ['GET', '/none', 404, 'not_found'],
  ['POST', '/none/replay', 404, 'not_found'],
  ['POST', '/replay', 415, 'unsupported_media_type'],
  ['DELETE', `/${uuidv7()}/replay`, 405, 'method_not_allowed'],
  ['DELETE', '', 405, 'method_not_allowed'],
  ['PUT', '/replay', 405, 'method_not_allowed'],
])('refuses %s %s with %i, and replays nothing', async (method, path, status, code) => {
  expect(await ask(path, { method })).toMatchObject({ status, body: { code } });
  expect(called).toEqual([]);
});

describe('a replay', () => {
  test('of one dead letter is forwarded, and returns the dead letter as it is then', async () => {
    const id = await park({ replayedAt: at(2), attempts: 1 });
    const { status, headers, body } = await ask(`/${id}/replay`, { method: 'POST' });
    expect({ status, location: headers.get('location') }).toEqual({
      status: 202,
      location: `/v1/admin/dead-letters/${id}`,
    });
    expect(body).toMatchObject({ id, status: 'replaying' });
    expect(called).toEqual([{ action: 'replay', id }]);
  });

  test('returns the refusal of its function', async () => {
    response = { statusCode: 422, headers: {}, body: { code: 'not_replayable' } };
    for (const path of [`/${await park()}/replay`, '/replay']) {
      expect(await ask(path, { method: 'POST', body: {} })).toMatchObject({
        status: 422,
        body: { code: 'not_replayable' },
      });
    }
  });

  test('of many is forwarded with type and rate, and can be stopped', async () => {
    const nothing = { startedAt: null, endsAt: null, total: 0, waiting: 0, replaying: 0, done: 0, parked: 0 };
    const body = { type: 'x', rate: 5, action: 'stop' };
    expect(await ask('/replay', { method: 'POST', body })).toMatchObject({ status: 202, body: nothing });
    response.statusCode = 200;
    expect(await ask('/replay', { method: 'DELETE' })).toMatchObject({ status: 200, body: nothing });
    expect(called).toEqual([{ type: 'x', rate: 5, action: 'replay-all' }, { action: 'stop' }]);
  });

  test.each([[[]], ['all'], [null], [7]])('is refused when its body is not an object: %j', async (body) => {
    const refused = await ask('/replay', { method: 'POST', body });
    expect(refused).toMatchObject({ status: 422, body: { code: 'invalid_body' } });
    expect(called).toEqual([]);
  });

  test('reports the progress of the newest bulk replay by the status of its dead letters', async () => {
    const bulkAt = at(10);
    await park({ replayedAt: at(5), bulkAt: at(5) }); // of an earlier one
    await park({ replayedAt: at(20) }); // of its own
    await park();
    for (const attempts of [0, 0, 0]) await park({ bulkAt, replayedAt: bulkAt, attempts });
    await park({ bulkAt, replayedAt: bulkAt, attempts: 2 });
    await park({ bulkAt, replayedAt: bulkAt });
    await park({ bulkAt, replayedAt: bulkAt, parkedAt: at(11) });
    expect((await ask('/replay')).body).toEqual({
      startedAt: '2026-01-01T10:00:10.000Z',
      endsAt: expect.any(String),
      total: 6,
      waiting: 3,
      replaying: 1,
      done: 1,
      parked: 1,
    });
  });
});

test('is refused to customers on every route', async () => {
  const id = await park();
  for (const [method, path] of [
    ['GET', ''],
    ['GET', `/${id}`],
    ['POST', `/${id}/replay`],
    ['GET', '/replay'],
    ['POST', '/replay'],
    ['DELETE', '/replay'],
  ] as const) {
    const refused = await ask(path, { method, role: 'customer', ...(method === 'POST' && { body: {} }) });
    expect(refused).toMatchObject({ status: 403, body: { code: 'forbidden' } });
  }
  expect(called).toEqual([]);
});
