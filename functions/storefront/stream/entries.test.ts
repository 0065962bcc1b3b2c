import { describe, expect, test } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { uuidv7 } from 'uuidv7';
import { bearer } from '#test/support/calls.ts';
import { connection, row, rows, useDatabase } from '#test/support/database.ts';
import { customer, order } from '#test/support/fixtures.ts';
import { idsOf, received, useStreams } from '#test/support/storefront.ts';

useDatabase();
const { url, watch } = useStreams();

/** Pays an order and sends its mail, as the functions do. */
async function pay(orderId: string): Promise<void> {
  await rows(
    `insert into billing.charges (order_id, user_id, account_id, amount, currency, outcome)
     select o.id, o.user_id, a.id, o.total, 'usd', 'succeeded'
       from ordering.orders o
       join billing.accounts a on a.user_id = o.user_id
      where o.id = $1`,
    [orderId],
  );
  await rows(`update ordering.orders set status = 'paid', paid_at = clock_timestamp() where id = $1`, [orderId]);
  await rows(
    `insert into notifying.notifications
            (id, event_id, user_id, order_id, template, recipient, subject, detail, correlation_id)
     select $2, id || '.paid', user_id, id, 'order-paid', 'a@example.com', '', '{}', id || '.placed'
       from ordering.orders
      where id = $1`,
    [orderId, uuidv7()],
  );
  await rows(
    `update notifying.notifications set status = 'sent', due_at = null, sent_at = clock_timestamp() where order_id = $1`,
    [orderId],
  );
}

test('streams a customer’s own timeline entries to each of their clients, and to no other customer', async () => {
  const [ann, bob] = [await customer({ balance: 10 }), await customer({ balance: 10 })];
  const [first, second, others] = [await watch(ann), await watch(ann), await watch(bob)];
  expect(first.status).toBe(200);
  expect(Object.fromEntries(first.headers)).toMatchObject({
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
  });
  const orderId = await order(ann.userId, 5);
  await pay(orderId);
  const otherOrderId = await order(bob.userId, 5);
  await Promise.all([received(first, 5), received(second, 5), received(others, 1)]);
  const timeline = await fetch(`${url()}/v1/orders/${orderId}/timeline`, { headers: await bearer(ann.userId) });
  const { data } = (await timeline.json()) as { data: { type: string }[] };
  for (const { messages } of [first, second]) {
    // one poll reads several tables, so entries of the same time may come in either order
    const asJson = (entry: unknown) => JSON.stringify(entry);
    expect(messages.map((message) => asJson(message.data)).toSorted()).toEqual(data.map(asJson).toSorted());
    expect(messages.every((message) => message.event === message.data.type)).toBe(true);
    expect(new Set(messages.map(({ id }) => id)).size).toBe(5);
  }
  expect(idsOf(others)).toEqual([`${otherOrderId}.placed`]);
});

test('streams the opened account, deposits and their mails, from the start of the stream on', async () => {
  const { userId } = await customer({ balance: null });
  const before = await order(userId, 1);
  const stream = await watch({ userId });
  const [accountId, depositId] = [uuidv7(), uuidv7()];
  await rows('insert into billing.accounts (id, user_id) values ($1, $2)', [accountId, userId]);
  await received(stream, 1);
  await rows(
    `insert into billing.deposits
            (id, account_id, user_id, idempotency_key, request_hash, amount, currency, balance_after)
     values ($1, $2, $3, 'k', '', 7, 'usd', 7)`,
    [depositId, accountId, userId],
  );
  await received(stream, 2);
  await rows(
    `insert into notifying.notifications (id, event_id, user_id, template, recipient, subject, detail, correlation_id)
     values ($1, $2, $3, 'deposit-received', 'a@example.com', '', '{}', $2)`,
    [uuidv7(), `${depositId}.succeeded`, userId],
  );
  await received(stream, 3);
  expect(stream.messages.map(({ data }) => data)).toMatchObject([
    { type: 'shop.account.opened.v1', id: `${accountId}.opened`, correlationId: `${userId}.registered` },
    { type: 'shop.deposit.succeeded.v1', id: `${depositId}.succeeded`, detail: { amount: 7, currency: 'usd' } },
    { type: 'notification.queued', detail: { template: 'deposit-received' }, correlationId: `${depositId}.succeeded` },
  ]);
  expect(idsOf(stream)).not.toContain(`${before}.placed`);
});

describe('although commits are not in the order of their times', () => {
  test('streams an entry that is older than those sent before once it is committed', async () => {
    const { userId } = await customer();
    const stream = await watch({ userId });
    const [early, late] = [uuidv7(), uuidv7()];
    const insert = `insert into ordering.orders (id, user_id, idempotency_key, request_hash, total, currency)
                    values ($1, $2, gen_random_uuid(), '', 1, 'usd')`;
    const other = await connection();
    await other.query('begin');
    await other.query(insert, [early, userId]);
    await rows(insert, [late, userId]);
    await received(stream, 1);
    await other.query('commit');
    await received(stream, 2);
    expect(idsOf(stream)).toEqual([`${late}.placed`, `${early}.placed`]);
  });

  test('streams each of 2,000 entries exactly once', async () => {
    const { userId } = await customer();
    const stream = await watch({ userId });
    const again = await watch({ userId });
    // four writers, each with its own times of up to 8 seconds ago, in any order
    const writers = await Promise.all([1, 2, 3, 4].map(() => connection()));
    const writing = writers.map(async (writer) => {
      for (let turn = 0; turn < 25; turn += 1) {
        await writer.query(
          `insert into ordering.orders (id, user_id, idempotency_key, request_hash, total, currency, created_at)
           select gen_random_uuid(), $1, gen_random_uuid(), '', 1, 'usd',
                  clock_timestamp() - random() * interval '8 seconds'
             from generate_series(1, 20)`,
          [userId],
        );
      }
    });
    await Promise.all(writing);
    await received(stream, 2_000);
    await received(again, 2_000);
    await pause(300); // in which a repeated entry would arrive
    const { ids } = await row<{ ids: string[] }>(
      `select array_agg(id || '.placed' order by id) as ids from ordering.orders where user_id = $1`,
      [userId],
    );
    for (const one of [stream, again]) expect(idsOf(one).toSorted()).toEqual(ids);
  });
});
