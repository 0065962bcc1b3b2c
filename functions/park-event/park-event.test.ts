import { expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { orderPlaced } from '#events/order-placed.ts';
import { deliver, eventOf } from '#local/testing/calls.ts';
import { row, rows, useDatabase } from '#local/testing/database.ts';
import { order } from '#local/testing/people.ts';
import { handle } from './index.ts';

useDatabase();

const refusal = (detail: string) => Buffer.from(JSON.stringify({ code: 'bad_event', detail })).toString('base64');
const givenUp = (event: object, code?: number) =>
  deliver(handle, {
    ...(event as ReturnType<typeof eventOf>),
    knativeerrordest: 'http://charge-account.shop.svc.cluster.local',
    ...(code !== undefined && { knativeerrorcode: code, knativeerrordata: refusal('why') }),
  });
const lettersOf = (eventId: string) =>
  rows<{ verified: boolean; reason: string; times: number; detail: string; event: Record<string, unknown> }>(
    'select * from events.dead_letters where event_id = $1',
    [eventId],
  );
const outboxOf = (orderId: string) => rows('select id from events.outbox where id = $1', [`${orderId}.placed`]);

async function placed() {
  const userId = uuidv7();
  const orderId = await order(userId, 1);
  return { orderId, event: eventOf(orderPlaced, { orderId, userId }) };
}

test('an event of ours that was refused is parked with the reason, unsigned, and its chain ends', async () => {
  const { orderId, event } = await placed();
  expect(await givenUp(event, 400)).toEqual({ status: 204 });
  const [letter] = await lettersOf(event.id);
  expect(letter).toMatchObject({ verified: true, reason: 'refused', times: 1, detail: expect.stringContaining('why') });
  expect(letter?.event).toMatchObject({ id: event.id, type: event.type, data: event.data });
  expect(Object.keys(letter?.event ?? {}).filter((name) => /^knative|^signature/.test(name))).toEqual([]);
  expect(await outboxOf(orderId)).toEqual([]);
});

test('delivered again it stays one letter, which counts', async () => {
  const { event } = await placed();
  for (let times = 1; times <= 3; times += 1) await givenUp(event, 400);
  expect(await lettersOf(event.id)).toMatchObject([{ times: 3 }]);
});

test.each([[503], [502], [500], [undefined]])('given up with code %s it is left to the outbox', async (code) => {
  const { orderId, event } = await placed();
  expect(await givenUp(event, code)).toEqual({ status: 204 });
  expect(await lettersOf(event.id)).toEqual([]);
  expect(await outboxOf(orderId)).toHaveLength(1);
});

test('a stranger’s event under one of our names is parked beside ours and ends no chain', async () => {
  const { orderId, event } = await placed();
  const forged = { ...event, signature: 'test.forged' };
  await givenUp(forged, 400);
  await givenUp(forged);
  expect(await lettersOf(event.id)).toMatchObject([{ verified: false, reason: 'unverified', times: 2 }]);
  expect(await outboxOf(orderId)).toHaveLength(1);
  await givenUp(event, 400);
  expect((await lettersOf(event.id)).map(({ verified }) => verified).toSorted()).toEqual([false, true]);
});

test('whatever a stranger’s event holds, it is parked', async () => {
  const id = uuidv7();
  const event = {
    specversion: '1.0',
    id,
    source: '/x',
    type: 't'.repeat(5_000),
    subject: 'a\0b',
    correlationid: '1'.repeat(5_000),
    data: 'no \0 JSON',
  };
  expect(await deliver(handle, event)).toEqual({ status: 204 });
  expect(await row('select count(*) as parked from events.dead_letters where event_id = $1', [id])).toEqual({
    parked: 1,
  });
});
