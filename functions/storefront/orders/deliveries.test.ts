import { expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { rows, useDatabase } from '#test/support/database.ts';
import { customer, order } from '#test/support/fixtures.ts';
import { context } from '#test/support/context.ts';
import { findDeliveries } from './deliveries.ts';

useDatabase();

interface DeadLetter {
  eventId: string;
  verified?: boolean;
  replayed?: boolean;
  cameBack?: boolean;
}

/** Stores a dead letter that was parked, replayed and parked again, a second apart. */
const park = ({ eventId, verified = true, replayed = false, cameBack = false }: DeadLetter) =>
  rows(
    `insert into events.dead_letters
            (id, verified, source, event_id, type, correlation_id, reason, detail, event, first_parked_at, last_parked_at,
             replayed_at)
     values ($1, $2, '/shop/charge-account', $3, 'shop.charge.succeeded.v1', 'chain', 'refused', 'secret', '{}',
             '2026-01-01T00:00:00Z', case when $5 then timestamptz '2026-01-01T00:00:02Z' else '2026-01-01T00:00:00Z' end,
             case when $4 then timestamptz '2026-01-01T00:00:01Z' end)`,
    [uuidv7(), verified, eventId, replayed, cameBack],
  );

const newOrder = async () => order((await customer({ balance: 0 })).userId, 1);

test('lists a chain with its next repeat once it was published again', async () => {
  const orderId = await newOrder();
  expect(await findDeliveries(context.database, orderId)).toEqual([]);
  await rows(
    `update events.outbox
        set attempts = 3, due_at = '2026-01-01T00:00:00Z'
      where id = $1`,
    [`${orderId}.placed`],
  );
  expect(await findDeliveries(context.database, orderId)).toEqual([
    {
      at: new Date('2026-01-01T00:00:00Z'),
      type: 'event.due',
      function: 'create-order',
      id: `${orderId}.placed`,
      correlationId: `${orderId}.placed`,
      detail: { event: 'shop.order.placed.v1', repeats: 3 },
    },
  ]);
});

test('lists what was parked, replayed and parked again in this order, without the detail of the refusal', async () => {
  const orderId = await newOrder();
  await park({ eventId: `${orderId}.succeeded`, replayed: true, cameBack: true });
  const found = await findDeliveries(context.database, orderId);
  expect(found.map(({ type, function: by, at }) => [type, by, at.getUTCSeconds()])).toEqual([
    ['event.parked', 'park-event', 0],
    ['event.replayed', 'replay-events', 1],
    ['event.parked', 'park-event', 2],
  ]);
  expect(found[0]?.detail).toEqual({ event: 'shop.charge.succeeded.v1', reason: 'refused', times: 1 });
  expect(JSON.stringify(found)).not.toContain('secret');
});

test('lists neither an event of an untrusted sender nor one of another order', async () => {
  const orderId = await newOrder();
  await park({ eventId: `${orderId}.succeeded`, verified: false });
  await park({ eventId: `${uuidv7()}.succeeded` });
  expect(await findDeliveries(context.database, orderId)).toEqual([]);
});
