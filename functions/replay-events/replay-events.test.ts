import { beforeEach, describe, expect, test } from '@jest/globals';
import type { CloudEventV1 } from 'cloudevents';
import { uuidv7 } from 'uuidv7';
import { orderPlaced } from '#events/order-placed.ts';
import { call, eventOf } from '#test/support/calls.ts';
import { connection, row, rows, useDatabase, waitingForLock } from '#test/support/database.ts';
import { backgroundDone } from '#platform/runtime/background.ts';
import { connectBroker } from '#platform/events/broker-client.ts';
import type { ShopEvent } from '#platform/events/event.ts';
import { writeEvent } from '#platform/events/event-http.ts';
import { isVerified } from '#platform/events/signature.ts';
import { handle } from './index.ts';

useDatabase();

const published: CloudEventV1<unknown>[] = [];
let isBrokerDown = false;
beforeEach(async () => {
  published.length = 0;
  isBrokerDown = false;
  connectBroker(async (event) => {
    if (isBrokerDown) throw new Error('the broker is down');
    published.push(event);
  });
  await rows('truncate events.outbox, events.dead_letters');
});

const admin = uuidv7();
const replay = <Body = { code: string }>(body: object) =>
  call<Body>(handle, { action: 'replay', ...body }, { userId: admin, role: 'admin' });
const replayAll = (body: object = {}) => replay<{ replayed: number; code?: string }>({ action: 'replay-all', ...body });
const stop = () => replay<{ stopped: number }>({ action: 'stop' });

interface Letter {
  id: string;
  event: ShopEvent & { signature?: string };
}

/** A parked event, as park-event leaves it; parked so many seconds ago. */
async function parked({ verified = true, type = orderPlaced.type, ago = 0, changes = {} } = {}): Promise<Letter> {
  const { signature, ...ours } = eventOf(orderPlaced, { orderId: uuidv7(), userId: uuidv7() }) as ShopEvent & {
    signature: string;
  };
  const event = { ...ours, type, ...(!verified && { signature: `${signature}x` }), ...changes };
  const id = uuidv7();
  await rows(
    `insert into events.dead_letters
            (id, verified, source, event_id, type, correlation_id, reason, detail, event, first_parked_at, last_parked_at)
     select $1, $2, $3, $4, $5, $6, case when $2 then 'refused' else 'unverified' end, '', $7, parked_at, parked_at
       from (select clock_timestamp() - $8 * interval '1 second' as parked_at) as moment`,
    [id, verified, event.source, event.id, event.type, event.correlationid, JSON.stringify(event), ago],
  );
  return { id, event };
}
const deadLetterOf = ({ id }: Letter) =>
  row<{ replayed_at: Date | null }>('select replayed_at from events.dead_letters where id = $1', [id]);
const outbox = () => rows<{ id: string; event: unknown }>('select id, event from events.outbox order by due_at, id');
const endChains = () => rows('delete from events.outbox');
const parkAgain = ({ id }: Letter) =>
  rows('update events.dead_letters set times = times + 1, last_parked_at = clock_timestamp() where id = $1', [id]);

describe('one letter', () => {
  test('opens its chain again and is published at once, signed anew', async () => {
    const letter = await parked();
    expect(await replay({ id: letter.id })).toMatchObject({ status: 202, body: { replayed: 1 } });
    await backgroundDone(1_000);
    expect(await outbox()).toEqual([{ id: letter.event.correlationid, event: letter.event }]);
    expect(published).toMatchObject([letter.event]);
    expect(published.every(isVerified)).toBe(true);
    expect(await deadLetterOf(letter)).toEqual({ replayed_at: expect.any(Date) });
  });

  // promise: parked-event-listed-reason
  test('replayed twice at once, and again while its chain is open, is one row and is published once', async () => {
    const letter = await parked();
    await Promise.all([replay({ id: letter.id }), replay({ id: letter.id })]);
    await replay({ id: letter.id });
    await backgroundDone(1_000);
    expect(await outbox()).toHaveLength(1);
    expect(published).toHaveLength(1);
  });

  test('can be replayed again after it came back, and after its chain has ended', async () => {
    const letter = await parked();
    await replay({ id: letter.id });
    await endChains();
    await parkAgain(letter);
    await replay({ id: letter.id });
    await endChains();
    expect(await replay({ id: letter.id })).toMatchObject({ status: 202 });
    expect(await outbox()).toHaveLength(1);
  });

  test('of a chain that is open already leaves the row of the chain as it is', async () => {
    const letter = await parked();
    await rows('insert into events.outbox (id, event, attempts) values ($1, $2, 3)', [
      letter.event.correlationid,
      '{}',
    ]);
    await replay({ id: letter.id });
    expect(await row('select event, attempts from events.outbox')).toEqual({ event: {}, attempts: 3 });
    expect(published).toEqual([]);
  });

  test('while the broker is down it stays in the outbox', async () => {
    isBrokerDown = true;
    const letter = await parked();
    expect(await replay({ id: letter.id })).toMatchObject({ status: 202 });
    expect(await outbox()).toHaveLength(1);
  });
});

describe('an unverified letter', () => {
  // promise: event-shop-did-sign
  test('is sent once as it was: not signed, and without an outbox row', async () => {
    const letter = await parked({ verified: false });
    expect(await replay({ id: letter.id })).toMatchObject({ status: 202 });
    expect(published).toEqual([letter.event]);
    expect(published.some(isVerified)).toBe(false);
    expect(await outbox()).toEqual([]);
    expect(await deadLetterOf(letter)).toEqual({ replayed_at: expect.any(Date) });
  });

  // promise: event-from-outside-read
  test('goes out with the bytes that it came with, without a content type if it had none', async () => {
    const letter = await parked({ verified: false });
    const body = Buffer.from([0, 255, 128, 65]);
    await rows(
      `update events.dead_letters
          set body = $2, event = '{"specversion":"1.0","id":"1","source":"/x","type":"x","subject":"注文-7","data_base64":"AP+AQQ=="}'
        where id = $1`,
      [letter.id, body],
    );
    expect(await replay({ id: letter.id })).toMatchObject({ status: 202 });
    const [sent] = published as [ShopEvent];
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

  test('whose data was not stored cannot be sent again, and stays parked', async () => {
    const letter = await parked({ verified: false });
    await rows(`update events.dead_letters set event = '{"specversion":"1.0","id":"1","source":"/x","type":"x"}'`);
    expect(await replay({ id: letter.id })).toMatchObject({ status: 422, body: { code: 'not_replayable' } });
    expect(await deadLetterOf(letter)).toEqual({ replayed_at: null });
  });

  test('that the broker does not take is not called replayed', async () => {
    isBrokerDown = true;
    const letter = await parked({ verified: false });
    expect(await replay({ id: letter.id })).toMatchObject({ status: 503, body: { code: 'unavailable' } });
    expect(await deadLetterOf(letter)).toEqual({ replayed_at: null });
  });

  test.each([{ time: 'noon' }, { Named: 'x' }])(
    'that is no event which could be sent is refused: %j',
    async (changes) => {
      const letter = await parked({ verified: false, changes });
      expect(await replay({ id: letter.id })).toMatchObject({ status: 422, body: { code: 'not_replayable' } });
      expect(await deadLetterOf(letter)).toEqual({ replayed_at: null });
      expect(published).toEqual([]);
    },
  );
});

describe('all letters', () => {
  const due = async () => {
    const found = await rows<{ id: string; due: number }>(
      `select id, (extract(epoch from due_at - (select max(bulk_at) from events.dead_letters)) * 1000)::int as due
         from events.outbox
        order by due_at`,
    );
    return found;
  };

  test('that are parked come due one after the other, so many a second, the oldest first', async () => {
    const [late, early, middle] = [await parked({ ago: 1 }), await parked({ ago: 3 }), await parked({ ago: 2 })];
    expect((await replayAll({ rate: 4 })).body).toEqual({ replayed: 3 });
    const chains = [early, middle, late].map(({ event }) => event.correlationid);
    expect(await due()).toEqual(chains.map((id, turn) => ({ id, due: turn * 250 })));
    expect(published).toEqual([]);
  });

  test('are those of ours, of the type if one is given, that are not under way or done', async () => {
    const [open, done, back, other, wanted] = [
      await parked(),
      await parked(),
      await parked(),
      await parked({ type: 'shop.user.registered.v1' }),
      await parked(),
    ];
    await parked({ verified: false });
    await replay({ id: done.id });
    await replay({ id: back.id });
    await endChains();
    await parkAgain(back);
    await replay({ id: open.id });
    expect((await replayAll({ type: orderPlaced.type })).body).toEqual({ replayed: 2 });
    const chains = (await outbox()).map(({ id }) => id);
    expect(chains.toSorted()).toEqual([open, back, wanted].map(({ event }) => event.correlationid).toSorted());
    expect(await deadLetterOf(other)).toEqual({ replayed_at: null });
  });

  // promise: all-parked-replayed-rate
  test('replayed twice at once are opened once each', async () => {
    const letters = [await parked(), await parked()];
    const other = await connection();
    await other.query('begin');
    await other.query('select from events.dead_letters for update');
    const both = Promise.all([replayAll(), replayAll()]);
    await waitingForLock(2);
    await other.query('rollback');
    expect((await both).map(({ body }) => body.replayed).toSorted()).toEqual([0, letters.length]);
    expect(await outbox()).toHaveLength(letters.length);
  });

  test('that are added while others wait come after them, in the same replay', async () => {
    for (let index = 0; index < 10; index += 1) await parked();
    await replayAll({ rate: 1 });
    const added = await parked();
    await replayAll({ rate: 2 });
    expect((await due()).at(-1)).toEqual({ id: added.event.correlationid, due: 9_500 });
    expect(await row('select count(distinct bulk_at) as replays from events.dead_letters')).toEqual({ replays: 1 });
  });

  // promise: bulk-replay-any-length
  test('that take longer than a day are published before their own day begins', async () => {
    for (let index = 0; index < 3; index += 1) await parked();
    await replayAll({ rate: 1 });
    await rows(
      `update events.outbox set due_at = due_at + interval '2 days', created_at = created_at + interval '2 days'`,
    );
    const late = await parked();
    await replayAll({ rate: 1 });
    expect(
      await row('select created_at = due_at as begins from events.outbox where id = $1', [late.event.correlationid]),
    ).toEqual({ begins: true });
    expect(
      await row("select due_at > now() + interval '1 day' as later from events.outbox where id = $1", [
        late.event.correlationid,
      ]),
    ).toEqual({ later: true });
  });

  // promise: bulk-replay-any-length
  test('of which one is replayed alone: it is published now, and no stop reaches it', async () => {
    const [, letter] = [await parked({ ago: 2 }), await parked({ ago: 1 })];
    await replayAll({ rate: 1 });
    await rows(`update events.outbox set due_at = due_at + interval '1 hour'`);
    expect(await replay({ id: letter.id })).toMatchObject({ status: 202 });
    await backgroundDone(1_000);
    expect(published.map(({ id }) => id)).toEqual([letter.event.id]);
    expect((await stop()).body).toEqual({ stopped: 1 });
    expect((await outbox()).map(({ id }) => id)).toEqual([letter.event.correlationid]);
  });

  // promise: bulk-replay-any-length
  test('stopped while one of them is being replayed alone: that one stays open', async () => {
    const letter = await parked();
    await replayAll({ rate: 1 });
    await rows(`update events.outbox set due_at = due_at + interval '1 hour'`);
    const other = await connection();
    await other.query('begin');
    // what a replay of one does first, held open
    await other.query('update events.dead_letters set replayed_at = clock_timestamp(), bulk_at = null where id = $1', [
      letter.id,
    ]);
    const stopping = stop();
    await waitingForLock();
    await other.query('commit');
    expect((await stopping).body).toEqual({ stopped: 0 });
    expect((await outbox()).map(({ id }) => id)).toEqual([letter.event.correlationid]);
  });

  test('stopped, those that are not due stay parked, and nothing else is touched', async () => {
    const letters = [await parked({ ago: 3 }), await parked({ ago: 2 }), await parked({ ago: 1 })] as const;
    const single = await parked();
    await replay({ id: single.id });
    await rows(`insert into events.outbox (id, event) values ('ordinary', '{}')`);
    await replayAll({ rate: 1 });
    // the second was published in the meantime, and there is time to stop the third
    await rows(`update events.outbox set attempts = 1 where id = $1`, [letters[1].event.correlationid]);
    await rows(`update events.outbox set due_at = due_at + interval '1 minute' where id = $1`, [
      letters[2].event.correlationid,
    ]);
    expect((await stop()).body).toEqual({ stopped: 1 });
    const left = [letters[0], letters[1], single].map(({ event }) => event.correlationid);
    expect((await outbox()).map(({ id }) => id).toSorted()).toEqual([...left, 'ordinary'].toSorted());
    expect(await deadLetterOf(letters[2])).toEqual({ replayed_at: null });
    expect((await stop()).body).toEqual({ stopped: 0 });
    expect((await replayAll()).body).toEqual({ replayed: 1 });
  });
});

describe('who may', () => {
  const bodies = [{ action: 'replay', id: uuidv7() }, { action: 'replay-all' }, { action: 'stop' }];

  test.each(bodies)('nobody and no customer: %j', async (body) => {
    const letter = await parked();
    expect(await call(handle, body)).toMatchObject({ status: 401 });
    expect(await call(handle, body, { userId: uuidv7() })).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    expect(await deadLetterOf(letter)).toEqual({ replayed_at: null });
  });

  test('a letter that is not there is not found', async () => {
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
  ])('what cannot be understood changes nothing: %j', async (body) => {
    const letter = await parked();
    expect(await replay(body)).toMatchObject({ status: 422, body: { code: 'invalid_body' } });
    expect(await deadLetterOf(letter)).toEqual({ replayed_at: null });
  });
});
