import { expect, test } from '@jest/globals';
import { orderPlaced } from '#events/order-placed.ts';
import { connection, row, rows, waitingForLock } from '#test/support/database.ts';
import { context } from '#test/support/context.ts';
import {
  deadLetterOf,
  endChains,
  outbox,
  parkAgain,
  parked,
  replay,
  replayAll,
  stop,
  useRecordingBroker,
} from '#test/support/parked-events.ts';

const broker = useRecordingBroker();

/** The chains in the outbox, with the ms after the start of the bulk replay at which they come due. */
const due = () =>
  rows<{ id: string; due: number }>(
    `select id, (extract(epoch from due_at - (select max(bulk_at) from events.dead_letters)) * 1000)::int as due
       from events.outbox
      order by due_at`,
  );

test('schedules dead letters at the rate, the oldest first', async () => {
  const [late, early, middle] = [await parked({ ago: 1 }), await parked({ ago: 3 }), await parked({ ago: 2 })];
  expect((await replayAll({ rate: 4 })).body).toEqual({ replayed: 3 });
  const chains = [early, middle, late].map(({ event }) => event.correlationid);
  expect(await due()).toEqual(chains.map((id, turn) => ({ id, due: turn * 250 })));
  expect(broker.published).toEqual([]);
});

test('replays verified dead letters, of one type if it is given, that are neither in flight nor done', async () => {
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

// promise: bulk-replay
test('reopens each chain once when two bulk replays start at once', async () => {
  const deadLetters = [await parked(), await parked()];
  const other = await connection();
  await other.query('begin');
  await other.query('select from events.dead_letters for update');
  const both = Promise.all([replayAll(), replayAll()]);
  await waitingForLock(2);
  await other.query('rollback');
  expect((await both).map(({ body }) => body.replayed).toSorted()).toEqual([0, deadLetters.length]);
  expect(await outbox()).toHaveLength(deadLetters.length);
});

test('appends newer dead letters to the replay that is running', async () => {
  for (let index = 0; index < 10; index += 1) await parked();
  await replayAll({ rate: 1 });
  const added = await parked();
  await replayAll({ rate: 2 });
  expect((await due()).at(-1)).toEqual({ id: added.event.correlationid, due: 9_500 });
  expect(await row('select count(distinct bulk_at) as replays from events.dead_letters')).toEqual({ replays: 1 });
});

// promise: bulk-replay-of-any-length
test('counts the day of a chain from its first publication when a bulk replay takes longer than a day', async () => {
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

// promise: bulk-replay-of-any-length
test('publishes a dead letter of a bulk replay at once when it is replayed alone, and no stop reaches it', async () => {
  const [, deadLetter] = [await parked({ ago: 2 }), await parked({ ago: 1 })];
  await replayAll({ rate: 1 });
  await rows(`update events.outbox set due_at = due_at + interval '1 hour'`);
  expect(await replay({ id: deadLetter.id })).toMatchObject({ status: 202 });
  await context.tasks.done(1_000);
  expect(broker.published.map(({ id }) => id)).toEqual([deadLetter.event.id]);
  expect((await stop()).body).toEqual({ stopped: 1 });
  expect((await outbox()).map(({ id }) => id)).toEqual([deadLetter.event.correlationid]);
});

// promise: bulk-replay-of-any-length
test('leaves a dead letter open that is replayed alone while the bulk replay is being stopped', async () => {
  const deadLetter = await parked();
  await replayAll({ rate: 1 });
  await rows(`update events.outbox set due_at = due_at + interval '1 hour'`);
  const other = await connection();
  await other.query('begin');
  // the first change that replaying one dead letter makes, held open
  await other.query('update events.dead_letters set replayed_at = clock_timestamp(), bulk_at = null where id = $1', [
    deadLetter.id,
  ]);
  const stopping = stop();
  await waitingForLock();
  await other.query('commit');
  expect((await stopping).body).toEqual({ stopped: 0 });
  expect((await outbox()).map(({ id }) => id)).toEqual([deadLetter.event.correlationid]);
});

test('leaves what is not due yet parked after a stop, and changes nothing else', async () => {
  const deadLetters = [await parked({ ago: 3 }), await parked({ ago: 2 }), await parked({ ago: 1 })] as const;
  const single = await parked();
  await replay({ id: single.id });
  await rows(`insert into events.outbox (id, event) values ('ordinary', '{}')`);
  await replayAll({ rate: 1 });
  // the second was published in the meantime, and there is time to stop the third
  await rows(`update events.outbox set attempts = 1 where id = $1`, [deadLetters[1].event.correlationid]);
  await rows(`update events.outbox set due_at = due_at + interval '1 minute' where id = $1`, [
    deadLetters[2].event.correlationid,
  ]);
  expect((await stop()).body).toEqual({ stopped: 1 });
  const left = [deadLetters[0], deadLetters[1], single].map(({ event }) => event.correlationid);
  expect((await outbox()).map(({ id }) => id).toSorted()).toEqual([...left, 'ordinary'].toSorted());
  expect(await deadLetterOf(deadLetters[2])).toEqual({ replayed_at: null });
  expect((await stop()).body).toEqual({ stopped: 0 });
  expect((await replayAll()).body).toEqual({ replayed: 1 });
});
