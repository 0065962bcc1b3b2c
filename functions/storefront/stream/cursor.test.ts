import { describe, expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { bearer } from '#test/support/calls.ts';
import { rows, useDatabase } from '#test/support/database.ts';
import { customer, order } from '#test/support/fixtures.ts';
import { cursorOf, idsOf, received, useStreams } from '#test/support/storefront.ts';
import { until } from '#test/support/until.ts';

useDatabase();
const { url, watch } = useStreams();

describe('a stream that is resumed by Last-Event-ID', () => {
  test('continues where it ended, and repeats nothing', async () => {
    const ann = await customer();
    const first = await watch(ann);
    const [one, two] = [await order(ann.userId, 1), await order(ann.userId, 2)];
    await received(first, 2);
    await first.close();
    const three = await order(ann.userId, 3);
    const second = await watch(ann, first.lastEventId());
    const four = await order(ann.userId, 4);
    await received(second, 2);
    const third = await watch(ann, first.messages[0]?.id);
    await received(third, 3);
    expect(idsOf(first)).toEqual([`${one}.placed`, `${two}.placed`]);
    expect(idsOf(second)).toEqual([`${three}.placed`, `${four}.placed`]);
    expect(idsOf(third)).toEqual([`${two}.placed`, `${three}.placed`, `${four}.placed`]);
  });

  test('continues although nothing was sent before, and after hours', async () => {
    const ann = await customer({ balance: null });
    const first = await watch(ann);
    await until('the stream has begun', () => first.lastEventId() !== '', 20_000);
    await first.close();
    const missed = await order(ann.userId, 1);
    const second = await watch(ann, first.lastEventId());
    await received(second, 1);
    expect(idsOf(second)).toEqual([`${missed}.placed`]);
    const hours = cursorOf(ann, -5);
    const past = await order(ann.userId, 2);
    await rows(`update ordering.orders set created_at = created_at - interval '4 hours' where id = $1`, [past]);
    const third = await watch(ann, hours);
    await received(third, 2);
    expect(idsOf(third)).toEqual([`${past}.placed`, `${missed}.placed`]);
    const fourth = await watch(ann, third.messages[0]?.id);
    await received(fourth, 1);
    expect(idsOf(fourth)).toEqual([`${missed}.placed`]);
  });

  const ann = { userId: uuidv7() };
  // promise: stream-resumption
  test.each([
    ...['x', '1', '00000000.', `${Date.now().toString(36)}.`, `${Date.now().toString(36)}.abc`],
    ...[cursorOf(ann, -25), cursorOf(ann, 1), cursorOf({ userId: uuidv7() }, -1), cursorOf(ann, -1).slice(0, -1)],
    cursorOf(ann, -1).replace(/^./, '0'),
  ])('gets 400 for an id that is too old or of another customer: %s', async (id) => {
    const response = await fetch(`${url()}/v1/events`, {
      headers: { ...(await bearer(ann.userId)), 'last-event-id': id },
    });
    expect({ status: response.status, body: await response.json() }).toMatchObject({
      status: 400,
      body: { code: 'bad_cursor' },
    });
  });

  test('misses nothing after more entries than an id can hold, although it may repeat some', async () => {
    const { userId } = await customer();
    const first = await watch({ userId });
    for (let count = 0; count < 60; count += 1) await order(userId, 1);
    await received(first, 60);
    await first.close();
    const missed = await order(userId, 1);
    const second = await watch({ userId }, first.lastEventId());
    await until('the missed order', () => idsOf(second).includes(`${missed}.placed`), 20_000);
    expect(idsOf(second).filter((id) => id.endsWith('.placed')).length).toBeLessThanOrEqual(11);
  });
});
