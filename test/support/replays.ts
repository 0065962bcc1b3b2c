import { beforeEach } from '@jest/globals';
import type { CloudEventV1 } from 'cloudevents';
import { uuidv7 } from 'uuidv7';
import { orderPlaced } from '#events/order-placed.ts';
import { handle } from '#functions/replay-events/index.ts';
import { connectBroker } from '#platform/events/broker-client.ts';
import type { ShopEvent } from '#platform/events/event.ts';
import { call, eventOf } from './calls.ts';
import { row, rows, useDatabase } from './database.ts';

// What the tests of replay-events share.

/** A database without dead letters, and a broker that records what is published and can be down. */
export function useBroker() {
  useDatabase();
  const broker = { published: [] as CloudEventV1<unknown>[], isDown: false };
  beforeEach(async () => {
    broker.published.length = 0;
    broker.isDown = false;
    connectBroker(async (event) => {
      if (broker.isDown) throw new Error('the broker is down');
      broker.published.push(event);
    });
    await rows('truncate events.outbox, events.dead_letters');
  });
  return broker;
}

const admin = uuidv7();
export const replay = <Body = { code: string }>(body: object) =>
  call<Body>(handle, { action: 'replay', ...body }, { userId: admin, role: 'admin' });
export const replayAll = (body: object = {}) =>
  replay<{ replayed: number; code?: string }>({ action: 'replay-all', ...body });
export const stop = () => replay<{ stopped: number }>({ action: 'stop' });

interface StoredDeadLetter {
  id: string;
  event: ShopEvent & { signature?: string };
}

/** Stores a dead letter as park-event does, parked `ago` seconds ago. */
export async function parked({
  verified = true,
  type = orderPlaced.type,
  ago = 0,
  changes = {},
} = {}): Promise<StoredDeadLetter> {
  const { signature, ...unsigned } = eventOf(orderPlaced, { orderId: uuidv7(), userId: uuidv7() }) as ShopEvent & {
    signature: string;
  };
  const event = { ...unsigned, type, ...(!verified && { signature: `${signature}x` }), ...changes };
  const id = uuidv7();
  await rows(
    `insert into events.dead_letters
            (id, verified, source, event_id, type, correlation_id, reason, detail, event, first_parked_at, last_parked_at)
     select $1, $2, $3, $4, $5, $6, case when $2 then 'refused' else 'unverified' end, '', $7, parked_at, parked_at
       from (select clock_timestamp() - $8 * interval '1 second' as parked_at) as times`,
    [id, verified, event.source, event.id, event.type, event.correlationid, JSON.stringify(event), ago],
  );
  return { id, event };
}
export const deadLetterOf = ({ id }: StoredDeadLetter) =>
  row<{ replayed_at: Date | null }>('select replayed_at from events.dead_letters where id = $1', [id]);
export const outbox = () =>
  rows<{ id: string; event: unknown }>('select id, event from events.outbox order by due_at, id');
export const endChains = () => rows('delete from events.outbox');
export const parkAgain = ({ id }: StoredDeadLetter) =>
  rows('update events.dead_letters set times = times + 1, last_parked_at = clock_timestamp() where id = $1', [id]);
