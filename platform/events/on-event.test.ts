import { expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { z } from 'zod';
import { deliver, eventOf } from '#test/support/calls.ts';
import { defineEvent, type ShopEvent } from '#platform/events/event.ts';
import { hideEvent, writeEvent } from '#platform/events/event-http.ts';
import { eventsHandled } from '#platform/telemetry/metrics.ts';
import { onAnyEvent, onEvent, onEvents, when } from '#platform/events/on-event.ts';
import { Problem } from '#platform/http/problem.ts';
import type { EventHandle } from '#platform/events/on-event.ts';
import { context, signed, started } from '#test/support/context.ts';

// a breaking change: the same event, published in two versions while its consumers move from one to the other
const userId = uuidv7();
const old = { userId, amount: 100 };
const next = { userId, money: { minor: 100, currency: 'usd' } };
const definition = {
  summary: 'A guest left a tip.',
  producer: 'tip-waiter',
  subject: (data: { userId: string }) => data.userId,
};
const v1 = defineEvent('shop.tip.given.v1', {
  ...definition,
  data: z.object({ userId: z.uuid(), amount: z.int() }),
  sample: old,
});
const v2 = defineEvent('shop.tip.given.v2', {
  ...definition,
  data: z.object({ userId: z.uuid(), money: z.object({ minor: z.int(), currency: z.string() }) }),
  sample: next,
});

// promise: event-versions
test('handles v2 alongside v1: each consumer handles the versions that it knows by their own schemas', async () => {
  const handled: [string, unknown][] = [];
  const record = (consumer: string) => async (data: unknown) => void handled.push([consumer, data]);
  const consumers = [
    onEvent(v1, () => record('knows v1')),
    onEvent(v2, () => record('knows v2')),
    onEvents(() => [when(v1, record('knows both')), when(v2, record('knows both'))]),
  ];
  for (const handle of consumers) {
    expect(await deliver(handle, eventOf(v1, old))).toEqual({ status: 204 });
    expect(await deliver(handle, eventOf(v2, next))).toEqual({ status: 204 });
  }
  expect(handled).toEqual([
    ['knows v1', old],
    ['knows v2', next],
    ['knows both', old],
    ['knows both', next],
  ]);
});

const tipTaker = (handle: EventHandle) => handle(context.of('tip-taker'));
const counted = async (result: string, type: string) => {
  const { values } = await eventsHandled.get();
  const its = values.filter(({ metricName, labels }) => {
    const { result: how, type: what, function: by } = labels as Record<string, unknown>;
    return metricName?.endsWith('_count') && how === result && what === type && by === 'tip-taker';
  });
  return its.reduce((sum, { value }) => sum + value, 0);
};
const thanks = defineEvent('shop.tip.thanked.v1', {
  ...definition,
  data: z.object({ userId: z.uuid() }),
  sample: { userId },
});
const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

test('replies with the event that a step returns: signed, in the same chain, with its cause', async () => {
  const handle = onEvent(v1, () => async () => thanks.create({ userId }));
  const cause = { ...eventOf(v1, old), correlationid: 'chain', traceparent };
  const delivery = await tipTaker(handle).deliver(signed(cause));
  const event = delivery.status === 200 ? delivery.event : undefined;
  expect(event).toMatchObject({ type: thanks.type, correlationid: 'chain', causationid: cause.id, traceparent });
  expect(event && context.signer.isVerified(event)).toBe(true);
  expect(await counted('replied', v1.type)).toBe(1);
});

test('responds over HTTP with the event in binary mode', async () => {
  const handle = onEvent(v1, () => async () => thanks.create({ userId }));
  expect(await deliver(handle, eventOf(v1, old))).toMatchObject({ status: 200, event: { type: thanks.type } });
});

test('refuses an unsigned event with 400 before any step', async () => {
  const handled: unknown[] = [];
  const handle = onEvent(v1, () => async (data) => void handled.push(data));
  const forged = { ...eventOf(v1, old), data: { ...old, amount: 1_000_000 } };
  expect(await deliver(handle, forged)).toEqual({
    status: 400,
    problem: expect.objectContaining({ code: 'unverified_event', detail: 'The signature is missing or wrong.' }),
  });
  expect((await tipTaker(handle).deliver(forged)).status).toBe(400);
  expect(handled).toEqual([]);
  expect(await counted('refused', v1.type)).toBe(1);
});

test('refuses data that the schema does not accept before any step, and says what is wrong', async () => {
  const handled: unknown[] = [];
  const handle = onEvent(v1, () => async (data) => void handled.push(data));
  const { status, problem } = await deliver(handle, eventOf(v1, { userId, amount: 0.5 }));
  expect(status).toBe(400);
  expect(problem?.code).toBe('bad_event');
  expect(problem?.detail).toMatch(/^shop\.tip\.given\.v1: .*amount/s);
  expect(handled).toEqual([]);
});

test('refuses over HTTP what cannot be read as an event, with a problem', async () => {
  const handle = onEvent(v1, () => async () => undefined);
  const response = await started(handle)({
    method: 'POST',
    headers: { 'content-type': 'text/plain' },
    body: Buffer.from('hello'),
  });
  expect(response.statusCode).toBe(400);
});

test.each([
  ['a step that fails', () => new Error('secret detail'), 'unavailable'],
  ['a database that is away', () => new Error('Connection terminated unexpectedly'), 'unavailable'],
])('returns 503 for %s, without its cause', async (_what, error, result) => {
  const before = await counted(result, v1.type);
  const handle = onEvent(v1, () => async () => {
    throw error();
  });
  const delivery = await tipTaker(handle).deliver(eventOf(v1, old));
  expect(delivery.status).toBe(503);
  expect('body' in delivery && delivery.body).not.toContain('secret');
  const response = await deliver(handle, eventOf(v1, old));
  expect(response.status).toBe(503);
  expect(response.problem).toHaveProperty('code');
  expect(await counted(result, v1.type)).toBe(before + 1);
});

test('returns 400 with the problem of a step that refuses', async () => {
  const handle = onEvent(v1, () => async () => {
    throw new Problem('bad_event', 'There is no such guest.');
  });
  const { headers, body } = writeEvent(eventOf(v1, old));
  const request = { method: 'POST', url: '/', headers, rawHeaders: Object.entries(headers).flat() };
  hideEvent(request as never);
  const response = await started(handle)({ method: 'POST', headers, body: Buffer.from(body ?? '') });
  expect(response.statusCode).toBe(400);
  expect(response.headers).toEqual({ 'content-type': 'application/problem+json' });
  expect(JSON.parse(String(response.body))).toMatchObject({ code: 'bad_event', detail: 'There is no such guest.' });
});

test('ignores a type that it does not consume, and does not use it as a label', async () => {
  const handle = onEvents(() => [when(v1, async () => undefined)]);
  expect(started(handle).consumes).toEqual([v1.type]);
  expect(await tipTaker(handle).deliver(eventOf(v2, next))).toEqual({ status: 204 });
  expect(await counted('ignored', 'other')).toBe(1);
  expect(await tipTaker(handle).deliver(eventOf(v1, old))).toEqual({ status: 204 });
  expect(await counted('done', v1.type)).toBe(1);
});

test('accepts unsigned events of any type as a function of any event', async () => {
  const handled: string[] = [];
  const handle = onAnyEvent(
    () =>
      async ({ id }) =>
        void handled.push(id),
  );
  const { signature: _none, ...event } = eventOf(v1, old) as ShopEvent & { signature?: string };
  expect(started(handle).consumes).toEqual([]);
  expect(await deliver(handle, event)).toEqual({ status: 204 });
  expect(await tipTaker(handle).deliver(event)).toEqual({ status: 204 });
  expect(handled).toEqual([event.id, event.id]);
  expect(await counted('done', 'other')).toBe(1);
});
