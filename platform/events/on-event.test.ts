import { expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { z } from 'zod';
import { deliver, eventOf } from '#test/support/calls.ts';
import { defineEvent, type ShopEvent } from '#platform/events/event.ts';
import { hideEvent, writeEvent } from '#platform/events/event-http.ts';
import { eventsHandled } from '#platform/telemetry/metrics.ts';
import { onAnyEvent, onEvent, onEvents, when } from '#platform/events/on-event.ts';
import { Problem } from '#platform/http/problem.ts';
import { isVerified, signed } from '#platform/events/signature.ts';

// a breaking change: the same fact, told in two versions while its consumers move from one to the other
const userId = uuidv7();
const old = { userId, amount: 100 };
const next = { userId, money: { minor: 100, currency: 'usd' } };
const definition = {
  summary: 'A guest gave a tip.',
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

// promise: new-version-event-can
test('v2 beside v1: who knows one handles it and ignores the other, who knows both handles each by its own schema', async () => {
  const heard: [string, unknown][] = [];
  const hear = (who: string) => async (data: unknown) => void heard.push([who, data]);
  const rooms = [
    onEvent(v1, hear('knows v1')),
    onEvent(v2, hear('knows v2')),
    onEvents(when(v1, hear('knows both')), when(v2, hear('knows both'))),
  ];
  for (const room of rooms) {
    expect(await deliver(room, eventOf(v1, old))).toEqual({ status: 204 });
    expect(await deliver(room, eventOf(v2, next))).toEqual({ status: 204 });
  }
  expect(heard).toEqual([
    ['knows v1', old],
    ['knows v2', next],
    ['knows both', old],
    ['knows both', next],
  ]);
});

const answered = async (result: string, type: string) => {
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

test('the fact that a step gives is the answer: signed, in the same chain, with its cause', async () => {
  const room = onEvent(v1, async () => thanks.create({ userId }));
  const cause = { ...eventOf(v1, old), correlationid: 'chain', traceparent };
  const delivery = await room.deliver(signed(cause), 'tip-taker');
  const event = delivery.status === 200 ? delivery.event : undefined;
  expect(event).toMatchObject({ type: thanks.type, correlationid: 'chain', causationid: cause.id, traceparent });
  expect(event && isVerified(event)).toBe(true);
  expect(await answered('answered', v1.type)).toBe(1);
});

test('over HTTP the answer is the event in binary mode', async () => {
  const room = onEvent(v1, async () => thanks.create({ userId }));
  expect(await deliver(room, eventOf(v1, old))).toMatchObject({ status: 200, event: { type: thanks.type } });
});

test('what is not signed reaches no step and is refused for good', async () => {
  const heard: unknown[] = [];
  const room = onEvent(v1, async (data) => void heard.push(data));
  const forged = { ...eventOf(v1, old), data: { ...old, amount: 1_000_000 } };
  expect(await deliver(room, forged)).toEqual({
    status: 400,
    problem: expect.objectContaining({ code: 'unverified_event', detail: 'The signature is missing or wrong.' }),
  });
  expect((await room.deliver(forged, 'tip-taker')).status).toBe(400);
  expect(heard).toEqual([]);
  expect(await answered('refused', v1.type)).toBe(1);
});

test('data that the schema does not accept reaches no step; the refusal says what is wrong', async () => {
  const heard: unknown[] = [];
  const room = onEvent(v1, async (data) => void heard.push(data));
  const { status, problem } = await deliver(room, eventOf(v1, { userId, amount: 0.5 }));
  expect(status).toBe(400);
  expect(problem?.code).toBe('bad_event');
  expect(problem?.detail).toMatch(/^shop\.tip\.given\.v1: .*amount/s);
  expect(heard).toEqual([]);
});

test('what cannot be read as an event is refused, over HTTP, as a problem', async () => {
  const room = onEvent(v1, async () => undefined);
  const answer = await room({ method: 'POST', headers: { 'content-type': 'text/plain' }, body: Buffer.from('hello') });
  expect(answer.statusCode).toBe(400);
});

test.each([
  ['a step that fails', () => new Error('secret detail'), 'unavailable'],
  ['a database that is away', () => new Error('Connection terminated unexpectedly'), 'unavailable'],
])('%s is delivered again, and says nothing of the cause', async (_what, error, result) => {
  const before = await answered(result, v1.type);
  const room = onEvent(v1, async () => {
    throw error();
  });
  const delivery = await room.deliver(eventOf(v1, old), 'tip-taker');
  expect(delivery.status).toBe(503);
  expect('body' in delivery && delivery.body).not.toContain('secret');
  const answer = await deliver(room, eventOf(v1, old));
  expect(answer.status).toBe(503);
  expect(answer.problem).toHaveProperty('code');
  expect(await answered(result, v1.type)).toBe(before + 1);
});

test('a refusal of a step is refused for good, as a problem', async () => {
  const room = onEvent(v1, async () => {
    throw new Problem('bad_event', 'There is no such guest.');
  });
  const { headers, body } = writeEvent(eventOf(v1, old));
  const request = { method: 'POST', url: '/', headers, rawHeaders: Object.entries(headers).flat() };
  hideEvent(request as never);
  const answer = await room({ method: 'POST', headers, body: Buffer.from(body ?? '') });
  expect(answer.statusCode).toBe(400);
  expect(answer.headers).toEqual({ 'content-type': 'application/problem+json' });
  expect(JSON.parse(String(answer.body))).toMatchObject({ code: 'bad_event', detail: 'There is no such guest.' });
});

test('a room tells which types it handles; others are ignored, and are no label', async () => {
  const room = onEvents(when(v1, async () => undefined));
  expect(room.consumes).toEqual([v1.type]);
  expect(await room.deliver(eventOf(v2, next), 'tip-taker')).toEqual({ status: 204 });
  expect(await answered('ignored', 'other')).toBe(1);
  expect(await room.deliver(eventOf(v1, old), 'tip-taker')).toEqual({ status: 204 });
  expect(await answered('done', v1.type)).toBe(1);
});

test('a room of any event takes what is not signed, and strangers too', async () => {
  const heard: string[] = [];
  const room = onAnyEvent(async ({ id }) => void heard.push(id));
  const { signature: _none, ...event } = eventOf(v1, old) as ShopEvent & { signature?: string };
  expect(room.consumes).toEqual([]);
  expect(await deliver(room, event)).toEqual({ status: 204 });
  expect(await room.deliver(event, 'tip-taker')).toEqual({ status: 204 });
  expect(heard).toEqual([event.id, event.id]);
  expect(await answered('done', 'other')).toBe(1);
});
