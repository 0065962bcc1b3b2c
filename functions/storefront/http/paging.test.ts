import { describe, expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { rows, useDatabase } from '#test/support/database.ts';
import { customer, order } from '#test/support/fixtures.ts';
import { useStorefront } from '#test/support/storefront.ts';

useDatabase();
const { ask } = useStorefront();

describe('the pages of a list', () => {
  test('stay the same while rows are added', async () => {
    const { userId } = await customer();
    const ids: string[] = [];
    for (let index = 0; index < 7; index += 1) ids.unshift(await order(userId, index + 1));
    const seen: unknown[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const { body } = await ask(`/v1/orders?limit=3${cursor && `&cursor=${cursor}`}`, { as: userId });
      seen.push(...body.data.map(({ id }) => id));
      cursor = body.nextCursor;
      await order(userId, 99);
    }
    expect(seen).toEqual(ids);
  });

  // promise: list-cost
  test('end early where orders have many lines, and continue after them', async () => {
    const { userId } = await customer();
    const ids: string[] = [];
    for (let index = 0; index < 5; index += 1) {
      const id = await order(userId, 1);
      ids.unshift(id);
      await rows(
        `insert into ordering.order_lines (order_id, line, sku, name, quantity, unit_price)
         select $1, line, 'sticker', 'Sticker', 1, 0 from generate_series(2, 100) as line`,
        [id],
      );
    }
    const pages: string[][] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const { body } = await ask(`/v1/orders?limit=100${cursor && `&cursor=${cursor}`}`, { as: userId });
      pages.push(body.data.map(({ id }) => String(id)));
      cursor = body.nextCursor;
    }
    expect(pages).toEqual([ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)]);
  });

  // promise: list-cost
  test('read at most 1,000 orders to find those with a status', async () => {
    const { userId } = await customer();
    const pending = await order(userId, 1);
    await rows(`update ordering.orders set created_at = now() - interval '1 day' where id = $1`, [pending]);
    await rows(
      `insert into ordering.orders
              (id, user_id, idempotency_key, request_hash, total, currency, status, paid_at, line_count, created_at)
       select gen_random_uuid(), $1, 'n' || number, '', 1, 'usd', 'paid', now(), 1, now() - number * interval '1 second'
         from generate_series(1, 2500) as number`,
      [userId],
    );
    const pages: unknown[][] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const { body } = await ask(`/v1/orders?status=pending${cursor && `&cursor=${cursor}`}`, { as: userId });
      pages.push(body.data.map(({ id }) => id));
      cursor = body.nextCursor;
    }
    expect(pages).toEqual([[], [], [pending]]);
  });

  // promise: list-cost
  test('are refused to another customer or list', async () => {
    const [ann, bob] = [await customer(), await customer()];
    for (const { userId } of [ann, ann, bob, bob]) await order(userId, 1);
    const { body } = await ask('/v1/orders?limit=1', { as: ann.userId });
    const cursor = body.nextCursor ?? '';
    const statusOf = async (path: string, as: string) => (await ask(`${path}?cursor=${cursor}`, { as })).status;
    expect(await statusOf('/v1/orders', ann.userId)).toBe(200);
    expect(await statusOf('/v1/orders', bob.userId)).toBe(400);
    expect(await statusOf('/v1/notifications', ann.userId)).toBe(400);
  });

  test.each([
    ['/v1/orders?cursor=abc', 'bad_cursor'],
    [`/v1/orders?cursor=${Buffer.from('1').toString('base64url')}`, 'bad_cursor'],
    ['/v1/products?limit=0', 'malformed_request'],
    ['/v1/products?limit=1000', 'malformed_request'],
    ['/v1/orders?status=lost', 'malformed_request'],
  ])('return 400 for %s', async (path, code) => {
    expect(await ask(path, { as: uuidv7() })).toMatchObject({ status: 400, body: { code } });
  });
});
