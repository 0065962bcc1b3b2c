import { describe, expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { orderPlaced } from '#events/order-placed.ts';
import { call } from '#test/support/calls.ts';
import { row, rows } from '#test/support/database.ts';
import { context } from '#test/support/context.ts';
import type { ShopEvent } from '#platform/events/event.ts';
import { writeEvent } from '#platform/events/event-http.ts';
import {
  deadLetterOf,
  endChains,
  outbox,
  parkAgain,
  parked,
  replay,
  useRecordingBroker,
} from '#test/support/parked-events.ts';
import { handle } from './index.ts';

const broker = useRecordingBroker();

describe('a verified dead letter', () => {
  test('reopens its chain and is published at once, signed again', async () => {
    const deadLetter = await parked();
    expect(await replay({ id: deadLetter.id })).toMatchObject({ status: 202, body: { replayed: 1 } });
    await context.tasks.done(1_000);
    expect(await outbox()).toEqual([{ id: deadLetter.event.correlationid, event: deadLetter.event }]);
    expect(broker.published).toMatchObject([deadLetter.event]);
    expect(broker.published.every(context.signer.isVerified)).toBe(true);
    expect(await deadLetterOf(deadLetter)).toEqual({ replayed_at: expect.any(Date) });
  });

  // promise: dead-letter
  test('publishes an event once when it is replayed twice at once, and again while its chain is open', async () => {
    const deadLetter = await parked();
    await Promise.all([replay({ id: deadLetter.id }), replay({ id: deadLetter.id })]);
    await replay({ id: deadLetter.id });
    await context.tasks.done(1_000);
    expect(await outbox()).toHaveLength(1);
    expect(broker.published).toHaveLength(1);
  });

  test('can be replayed again after it came back, and after its chain has ended', async () => {
    const deadLetter = await parked();
    await replay({ id: deadLetter.id });
    await endChains();
    await parkAgain(deadLetter);
    await replay({ id: deadLetter.id });
    await endChains();
    expect(await replay({ id: deadLetter.id })).toMatchObject({ status: 202 });
    expect(await outbox()).toHaveLength(1);
  });

  test('leaves the outbox row of a chain that is open already as it is', async () => {
    const deadLetter = await parked();
    await rows('insert into events.outbox (id, event, attempts) values ($1, $2, 3)', [
      deadLetter.event.correlationid,
      '{}',
    ]);
    await replay({ id: deadLetter.id });
    expect(await row('select event, attempts from events.outbox')).toEqual({ event: {}, attempts: 3 });
    expect(broker.published).toEqual([]);
  });

  test('stays in the outbox while the broker is down', async () => {
    broker.isDown = true;
    const deadLetter = await parked();
    expect(await replay({ id: deadLetter.id })).toMatchObject({ status: 202 });
    expect(await outbox()).toHaveLength(1);
  });
});

describe('an unverified dead letter', () => {
  // promise: unsigned-event
  test('sends an unverified event once as it was, unsigned and without an outbox row', async () => {
    const deadLetter = await parked({ verified: false });
    expect(await replay({ id: deadLetter.id })).toMatchObject({ status: 202 });
    expect(broker.published).toEqual([deadLetter.event]);
    expect(broker.published.some(context.signer.isVerified)).toBe(false);
    expect(await outbox()).toEqual([]);
    expect(await deadLetterOf(deadLetter)).toEqual({ replayed_at: expect.any(Date) });
  });

  // promise: external-events
  test('sends an event from outside with its original bytes, and without a content type if it had none', async () => {
    const deadLetter = await parked({ verified: false });
    const body = Buffer.from([0, 255, 128, 65]);
    await rows(
      `update events.dead_letters
          set body = $2, event = '{"specversion":"1.0","id":"1","source":"/x","type":"x","subject":"注文-7","data_base64":"AP+AQQ=="}'
        where id = $1`,
      [deadLetter.id, body],
    );
    expect(await replay({ id: deadLetter.id })).toMatchObject({ status: 202 });
    const [sent] = broker.published as [ShopEvent];
    const message = writeEvent(sent);
    expect(message.body).toEqual(body);
    expect(message.headers).toEqual({
      'ce-specversion': '1.0',
      'ce-id': '1',
      'ce-source': '/x',
      'ce-type': 'x',
      'ce-subject': '%E6%B3%A8%E6%96%87-7',
    });
  });

  test('cannot be replayed if its data was not stored, and stays parked', async () => {
    const deadLetter = await parked({ verified: false });
    await rows(`update events.dead_letters set event = '{"specversion":"1.0","id":"1","source":"/x","type":"x"}'`);
    expect(await replay({ id: deadLetter.id })).toMatchObject({ status: 422, body: { code: 'not_replayable' } });
    expect(await deadLetterOf(deadLetter)).toEqual({ replayed_at: null });
  });

  test('is not marked as replayed if the broker does not accept it', async () => {
    broker.isDown = true;
    const deadLetter = await parked({ verified: false });
    expect(await replay({ id: deadLetter.id })).toMatchObject({ status: 503, body: { code: 'unavailable' } });
    expect(await deadLetterOf(deadLetter)).toEqual({ replayed_at: null });
  });

  test.each([{ time: 'noon' }, { Named: 'x' }])(
    'cannot be replayed if no broker would accept it: %j',
    async (changes) => {
      const deadLetter = await parked({ verified: false, changes });
      expect(await replay({ id: deadLetter.id })).toMatchObject({ status: 422, body: { code: 'not_replayable' } });
      expect(await deadLetterOf(deadLetter)).toEqual({ replayed_at: null });
      expect(broker.published).toEqual([]);
    },
  );
});

describe('refusals', () => {
  const bodies = [{ action: 'replay', id: uuidv7() }, { action: 'replay-all' }, { action: 'stop' }];

  test.each(bodies)('refuses callers without a token, and customers: %j', async (body) => {
    const deadLetter = await parked();
    expect(await call(handle, body)).toMatchObject({ status: 401 });
    expect(await call(handle, body, { userId: uuidv7() })).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    expect(await deadLetterOf(deadLetter)).toEqual({ replayed_at: null });
  });

  test('returns 404 for an unknown dead letter', async () => {
    expect(await replay({ id: uuidv7() })).toMatchObject({ status: 404, body: { code: 'not_found' } });
  });

  test.each([
    { action: 'replay' },
    { action: 'replay', id: 'none' },
    { action: 'replay-all', rate: 0 },
    { action: 'replay-all', rate: 101 },
    { action: 'replay-all', rate: 1.5 },
    { action: 'replay-all', rate: '10' },
    { action: 'replay-all', type: '' },
    { action: 'replay-all', typ: orderPlaced.type },
    { action: 'stop', id: uuidv7() },
    { action: 'forget' },
  ])('refuses a malformed command, and changes nothing: %j', async (body) => {
    const deadLetter = await parked();
    expect(await replay(body)).toMatchObject({ status: 422, body: { code: 'invalid_body' } });
    expect(await deadLetterOf(deadLetter)).toEqual({ replayed_at: null });
  });
});
