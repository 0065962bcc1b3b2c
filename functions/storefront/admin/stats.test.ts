import { expect, test } from '@jest/globals';
import { rows, useDatabase } from '#test/support/database.ts';
import { customer, order } from '#test/support/fixtures.ts';
import { context } from '#test/support/context.ts';
import { findStats } from './stats.ts';

useDatabase();

test('reports how many orders came in the last minute, and how long their decisions took', async () => {
  const nothing = { seconds: 60, orders: 0, decided: 0, medianMs: null, p99Ms: null };
  expect(await findStats(context.database, Date.now())).toMatchObject(nothing);
  const { userId } = await customer({ balance: 10 });
  for (const [status, ms] of [
    ['paid', 10],
    ['paid', 20],
    ['rejected', 300],
  ]) {
    const id = await order(userId, 5);
    await rows(
      `update ordering.orders
          set status = $2, reason = case $2 when 'rejected' then 'insufficient_funds' end,
              paid_at = case $2 when 'paid' then created_at + $3::interval end,
              rejected_at = case $2 when 'rejected' then created_at + $3::interval end
        where id = $1`,
      [id, status, `${ms} ms`],
    );
  }
  await order(userId, 5);
  expect(await findStats(context.database, Date.now())).toEqual({
    seconds: 60,
    orders: 4,
    decided: 3,
    medianMs: 20,
    p99Ms: 294,
    openChains: 4,
  });
  expect(await findStats(context.database, Date.now() + 61_000)).toMatchObject({ ...nothing, openChains: 4 });
});
