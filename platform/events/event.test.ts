import { expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { z } from 'zod';
import { beginChain, continueChain, defineEvent } from '#platform/events/event.ts';

const tipGiven = defineEvent('shop.tip.given.v1', {
  summary: 'A guest left a tip.',
  producer: 'tip-waiter',
  subject: ({ tipId }) => tipId,
  data: z.object({ tipId: z.uuid(), userId: z.uuid() }),
  sample: { tipId: uuidv7(), userId: uuidv7() },
});
const data = { tipId: uuidv7(), userId: uuidv7() };
const at = new Date('2026-01-02T03:04:05.600Z');

test('begins a chain with the same event each time', () => {
  const event = beginChain(tipGiven.create(data, at));
  expect(event).toStrictEqual({
    specversion: '1.0',
    id: `${data.tipId}.given`,
    source: '/shop/tip-waiter',
    type: 'shop.tip.given.v1',
    subject: data.tipId,
    time: '2026-01-02T03:04:05.600Z',
    datacontenttype: 'application/json',
    correlationid: `${data.tipId}.given`,
    causationid: `${data.tipId}.given`,
    partitionkey: data.userId,
    data,
  });
  expect(beginChain(tipGiven.create(data, at))).toStrictEqual(event);
});

test('continues a chain with its id and trace, and names the cause', () => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const first = beginChain(tipGiven.create(data, at), { traceparent });
  const second = continueChain(tipGiven.create({ ...data, tipId: uuidv7() }), first);
  const third = continueChain(tipGiven.create({ ...data, tipId: uuidv7() }), second);
  expect(first.traceparent).toBe(traceparent);
  expect(third).toMatchObject({ correlationid: first.id, causationid: second.id, traceparent });
});

test('dates an event without a time of its own by when its chain begins or continues', () => {
  const now = Date.parse('2026-01-02T03:04:05.700Z');
  expect(beginChain(tipGiven.create(data), { now }).time).toBe('2026-01-02T03:04:05.700Z');
  expect(continueChain(tipGiven.create(data), beginChain(tipGiven.create(data)), now).time).toBe(
    '2026-01-02T03:04:05.700Z',
  );
});
