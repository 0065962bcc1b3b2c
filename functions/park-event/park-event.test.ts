import type { IncomingMessage } from 'node:http';
import { describe, expect, test } from '@jest/globals';
import type { CloudEventV1 } from 'cloudevents';
import { uuidv7 } from 'uuidv7';
import { orderPlaced } from '#events/order-placed.ts';
import { deliver, eventOf } from '#test/support/calls.ts';
import { row, rows, useDatabase } from '#test/support/database.ts';
import { order } from '#test/support/fixtures.ts';
import { hideEvent } from '#platform/events/event-http.ts';
import { onEvent } from '#platform/events/on-event.ts';
import { Problem } from '#platform/http/problem.ts';
import { context, started } from '#test/support/context.ts';
import { handle } from './index.ts';

useDatabase();

const encode = (body: string) => Buffer.from(body).toString('base64');
/** The response body that comes with a dead letter: by default the refusal that charge-account has signed. */
const refusedBy = (event: CloudEventV1<unknown>, { by = 'charge-account', signs = event } = {}) =>
  encode(
    JSON.stringify({
      by,
      code: 'bad_event',
      detail: 'why',
      refusal: context.signer.signRefusal(signs, { by, code: 'bad_event' }),
    }),
  );
const retriesExhausted = (event: CloudEventV1<unknown>, code?: number, data = refusedBy(event)) =>
  deliver(handle, {
    ...event,
    knativeerrordest: 'http://charge-account.shop.svc.cluster.local',
    ...(code !== undefined && { knativeerrorcode: code, knativeerrordata: data }),
  });
const deadLettersOf = (eventId: string) =>
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

test('parks an event that a function refused, with the reason and unsigned, and ends its chain', async () => {
  const { orderId, event } = await placed();
  expect(await retriesExhausted(event, 400)).toEqual({ status: 204 });
  const [deadLetter] = await deadLettersOf(event.id);
  expect(deadLetter).toMatchObject({
    verified: true,
    reason: 'refused',
    times: 1,
    detail: expect.stringContaining('why'),
  });
  expect(deadLetter?.event).toMatchObject({ id: event.id, type: event.type, data: event.data });
  expect(deadLetter?.detail).not.toContain('refusal');
  expect(Object.keys(deadLetter?.event ?? {}).filter((name) => /^knative|^signature/.test(name))).toEqual([]);
  expect(await outboxOf(orderId)).toEqual([]);
});

test('stores one dead letter for an event that is delivered again, and counts', async () => {
  const { event } = await placed();
  for (let times = 1; times <= 3; times += 1) await retriesExhausted(event, 400);
  expect(await deadLettersOf(event.id)).toMatchObject([{ times: 3 }]);
});

test.each([[503], [502], [500], [undefined]])(
  'leaves an event to the outbox when retries are exhausted with code %s',
  async (code) => {
    const { orderId, event } = await placed();
    expect(await retriesExhausted(event, code, encode('{"code":"unavailable"}'))).toEqual({ status: 204 });
    expect(await deadLettersOf(event.id)).toEqual([]);
    expect(await outboxOf(orderId)).toHaveLength(1);
  },
);

// promise: signed-refusals
test('ends no chain for a refusal that no function has signed for this event', async () => {
  const { orderId, event } = await placed();
  const other = await placed();
  const forgeries = [
    encode('{"code":"bad_event","detail":"why"}'),
    encode('no JSON'),
    encode('{"by":"charge-account","code":"bad_event","refusal":"test.AAAA"}'),
    refusedBy(event, { signs: other.event }),
    encode(Buffer.from(refusedBy(event), 'base64').toString().replace('charge-account', 'settle-order')),
    '',
  ];
  for (const data of forgeries) expect(await retriesExhausted(event, 400, data)).toEqual({ status: 204 });
  expect(await deadLettersOf(event.id)).toEqual([]);
  expect(await outboxOf(orderId)).toHaveLength(1);
});

// promise: signed-refusals
test('ends a chain when a function refuses bad data, but not when it cannot verify the event', async () => {
  const { orderId, event } = await placed();
  const chargeAccount = onEvent(orderPlaced, () => async () => {
    throw new Problem('bad_event', 'é'.repeat(2_000));
  })(context.of('charge-account'));
  const refused = await chargeAccount.deliver(event);
  expect(refused).toMatchObject({ status: 400 });
  const body = 'body' in refused ? refused.body : '';
  expect(Buffer.byteLength(body)).toBeLessThanOrEqual(768);
  // signed with a key that the function does not have yet
  const unknown = { ...event, signature: `new.${String(event['signature']).split('.')[1]}` };
  const unverified = await chargeAccount.deliver(unknown);
  expect(unverified).toMatchObject({ status: 400, body: expect.stringContaining('unverified_event') });
  await retriesExhausted(event, 400, encode('body' in unverified ? unverified.body : ''));
  expect(await outboxOf(orderId)).toHaveLength(1);
  await retriesExhausted(event, 400, encode(body));
  expect(await outboxOf(orderId)).toEqual([]);
  expect(await deadLettersOf(event.id)).toMatchObject([{ reason: 'refused', detail: expect.stringContaining('éé') }]);
});

test('parks a forged event alongside the shop’s own of the same id, and ends no chain', async () => {
  const { orderId, event } = await placed();
  const forged = { ...event, signature: 'test.forged' };
  await retriesExhausted(forged, 400);
  await retriesExhausted(forged);
  expect(await deadLettersOf(event.id)).toMatchObject([{ verified: false, reason: 'unverified', times: 2 }]);
  expect(await outboxOf(orderId)).toHaveLength(1);
  await retriesExhausted(event, 400);
  expect((await deadLettersOf(event.id)).map(({ verified }) => verified).toSorted()).toEqual([false, true]);
});

// promise: owasp-api10
test('parks an event from an untrusted sender, whatever it holds', async () => {
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

describe('from an untrusted sender', () => {
  const post = (headers: Record<string, string>, body: Buffer) => {
    const sent = { 'ce-specversion': '1.0', 'ce-source': '/outside', 'ce-type': 'x', ...headers };
    const request = { method: 'POST', url: '/', headers: sent, rawHeaders: Object.entries(sent).flat() };
    hideEvent(request as unknown as IncomingMessage);
    return started(handle)({ method: 'POST', headers: sent, body });
  };
  const stored = (id: string) =>
    row<{ event: Record<string, unknown>; body: Buffer | null; detail: string; subject: string | null; times: number }>(
      'select event, body, detail, subject, times from events.dead_letters where event_id = $1',
      [id],
    );

  // promise: external-events
  test.each([
    ['bytes', 'image/png', Buffer.from([0, 255, 128, 65]), { data_base64: 'AP+AQQ==' }],
    ['bytes without a type', undefined, Buffer.from([0, 255]), { data_base64: 'AP8=' }],
    ['text', 'text/plain', Buffer.from('Grüße'), { data: 'Grüße' }],
    ['JSON as it was written', 'application/json', Buffer.from('{ "a": 1.0 }'), { data: { a: 1 } }],
    ['malformed JSON', 'application/json', Buffer.from('{'), { data: '{' }],
    ['a byte order mark', 'application/json', Buffer.from('\ufeff{}'), { data: '\ufeff{}' }],
    ['an empty body', 'application/json', Buffer.alloc(0), {}],
  ])('stores %s byte for byte', async (_what, type, body, content) => {
    const id = uuidv7();
    const subject = '注文-7';
    const headers = { 'ce-id': id, 'ce-subject': encodeURIComponent(subject), ...(type && { 'content-type': type }) };
    expect(await post(headers, body)).toMatchObject({ statusCode: 204 });
    const deadLetter = await stored(id);
    expect(deadLetter).toMatchObject({ body, subject, event: { id, subject, ...content } });
    expect(deadLetter.event['datacontenttype']).toBe(type);
    expect(deadLetter.event).not.toHaveProperty('time');
  });

  test('reads an attribute in plain UTF-8, as Knative sends it', async () => {
    const id = uuidv7();
    await post({ 'ce-id': id, 'ce-subject': Buffer.from('注文-7').toString('latin1') }, Buffer.from('x'));
    expect((await stored(id)).subject).toBe('注文-7');
  });

  test('stores a signed event that is nested too deeply to be serialized as its bytes', async () => {
    const id = uuidv7();
    const body = Buffer.from('['.repeat(20_000) + ']'.repeat(20_000));
    const headers = { 'ce-id': id, 'ce-signature': 'test.AAAA', 'content-type': 'application/json' };
    expect(await post(headers, body)).toMatchObject({ statusCode: 204 });
    expect((await stored(id)).body).toEqual(body);
  });

  // promise: unsigned-events-bounded
  test('does not store data above 64 KB, and says so', async () => {
    const id = uuidv7();
    await post({ 'ce-id': id, 'content-type': 'text/plain' }, Buffer.alloc(100_000, 'x'));
    expect(await stored(id)).toMatchObject({ body: null, detail: 'Its data of 100000 bytes was not stored.' });
    expect((await stored(id)).event).not.toHaveProperty('data');
  });

  // promise: unsigned-events-bounded
  test('stores the first 1,000, counts the rest, and a month later replaces the oldest', async () => {
    await rows(`
      insert into events.dead_letters (id, verified, source, event_id, type, reason, detail, event)
      select gen_random_uuid(), false, '/flood', number, 'x', 'unverified', '', '{}'
        from generate_series(1, 1000 - (select count(*) from events.dead_letters where not verified)) as number`);
    const count = async () =>
      (await row<{ unverified: number }>('select count(*) as unverified from events.dead_letters where not verified'))
        .unverified;
    const [late, known] = [uuidv7(), '1'];
    await post({ 'ce-id': late }, Buffer.from('x'));
    await post({ 'ce-id': known, 'ce-source': '/flood' }, Buffer.from('x'));
    expect(await count()).toBe(1_000);
    expect(await stored(known)).toMatchObject({ times: 2 });
    // the limit does not apply to the shop's own events
    const { event } = await placed();
    await retriesExhausted(event, 400);
    expect(await deadLettersOf(event.id)).toHaveLength(1);
    await rows(
      `update events.dead_letters set last_parked_at = now() - interval '31 days' where event_id in ('2', '3')`,
    );
    await post({ 'ce-id': late }, Buffer.from('x'));
    expect(await stored(late)).toMatchObject({ times: 1 });
    expect(await count()).toBe(999);
  });
});
