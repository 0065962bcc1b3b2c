import { expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { z } from 'zod';
import { deliver, eventOf } from '#local/testing/calls.ts';
import { defineEvent } from '#platform/event.ts';
import { onEvent, onEvents, when } from '#platform/on-event.ts';

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
