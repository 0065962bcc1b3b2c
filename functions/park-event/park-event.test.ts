import { expect, test } from '@jest/globals';
import type { CloudEventV1 } from 'cloudevents';
import { uuidv7 } from 'uuidv7';
import { orderPlaced } from '#events/order-placed.ts';
import { deliver, eventOf } from '#local/testing/calls.ts';
import { row, rows, useDatabase } from '#local/testing/database.ts';
import { order } from '#local/testing/people.ts';
import { onEvent } from '#platform/on-event.ts';
import { Problem } from '#platform/problem.ts';
import { signRefusal } from '#platform/signature.ts';
import { handle } from './index.ts';

useDatabase();

const encode = (body: string) => Buffer.from(body).toString('base64');
/** What a dead letter has of the response: by default the refusal that charge-account has signed. */
const refusedBy = (event: CloudEventV1<unknown>, { by = 'charge-account', signs = event } = {}) =>
  encode(
    JSON.stringify({ by, code: 'bad_event', detail: 'why', refusal: signRefusal(signs, { by, code: 'bad_event' }) }),
  );
const givenUp = (event: CloudEventV1<unknown>, code?: number, data = refusedBy(event)) =>
  deliver(handle, {
    ...event,
    knativeerrordest: 'http://charge-account.shop.svc.cluster.local',
    ...(code !== undefined && { knativeerrorcode: code, knativeerrordata: data }),
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
  expect(letter?.detail).not.toContain('refusal');
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
  expect(await givenUp(event, code, encode('{"code":"unavailable"}'))).toEqual({ status: 204 });
  expect(await lettersOf(event.id)).toEqual([]);
  expect(await outboxOf(orderId)).toHaveLength(1);
});

test('a refusal that no function has signed for this event ends no chain', async () => {
  const { orderId, event } = await placed();
  const other = await placed();
  const made = [
    encode('{"code":"bad_event","detail":"why"}'),
    encode('no JSON'),
    encode('{"by":"charge-account","code":"bad_event","refusal":"test.AAAA"}'),
    refusedBy(event, { signs: other.event }),
    encode(Buffer.from(refusedBy(event), 'base64').toString().replace('charge-account', 'settle-order')),
    '',
  ];
  for (const data of made) expect(await givenUp(event, 400, data)).toEqual({ status: 204 });
  expect(await lettersOf(event.id)).toEqual([]);
  expect(await outboxOf(orderId)).toHaveLength(1);
});

test('what charge-account itself answers to bad data ends the chain; to an event that it cannot verify, it does not', async () => {
  const { orderId, event } = await placed();
  const room = onEvent(orderPlaced, async () => {
    throw new Problem('bad_event', 'é'.repeat(2_000));
  });
  const refused = await room.deliver(event, 'charge-account');
  expect(refused).toMatchObject({ status: 400 });
  const body = 'body' in refused ? refused.body : '';
  expect(Buffer.byteLength(body)).toBeLessThanOrEqual(768);
  // signed with a key that the function does not have yet
  const unknown = { ...event, signature: `new.${String(event['signature']).split('.')[1]}` };
  const unverified = await room.deliver(unknown, 'charge-account');
  expect(unverified).toMatchObject({ status: 400, body: expect.stringContaining('unverified_event') });
  await givenUp(event, 400, encode('body' in unverified ? unverified.body : ''));
  expect(await outboxOf(orderId)).toHaveLength(1);
  await givenUp(event, 400, encode(body));
  expect(await outboxOf(orderId)).toEqual([]);
  expect(await lettersOf(event.id)).toMatchObject([{ reason: 'refused', detail: expect.stringContaining('éé') }]);
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
