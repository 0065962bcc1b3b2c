import { afterEach, describe, expect, test } from '@jest/globals';
import { orderPlaced } from '#events/order-placed.ts';
import { handle as createOrder } from '#functions/create-order/index.ts';
import { signToken } from '#functions/log-in/sign-token.ts';
import { call } from '#test/support/calls.ts';
import { useDatabase } from '#test/support/database.ts';
import { customer } from '#test/support/fixtures.ts';
import { connectDatabase } from '#platform/database/database.ts';
import { verifyToken } from '#platform/http/token.ts';

// What several processes compare is measured by the database's clock: the clock of any one of them may be an hour wrong.

useDatabase();

const RealDate = Date;
afterEach(() => {
  globalThis.Date = RealDate;
});

/** From now on the clock of this process is so many ms wrong. */
function shift(ms: number): void {
  globalThis.Date = class extends RealDate {
    constructor(given?: number | string) {
      super(given ?? RealDate.now() + ms);
    }
    static override now = () => RealDate.now() + ms;
  } as DateConstructor;
}

const hourMs = 3_600_000;

describe.each([-hourMs, hourMs])('a clock that is %s ms off', (ms) => {
  // promise: function-whose-clock-hour
  test('signs tokens that are good for a quarter of an hour', async () => {
    await connectDatabase();
    const { userId } = await customer();
    shift(ms);
    const token = await signToken({ id: userId, role: 'customer' });
    shift(0);
    const { expiresAtMs } = await verifyToken(`Bearer ${token}`);
    expect(Math.abs(expiresAtMs - Date.now() - 900_000)).toBeLessThan(5_000);
  });

  // promise: function-whose-clock-hour
  test('accepts the tokens of the others, and orders', async () => {
    await connectDatabase();
    const { userId } = await customer();
    const token = await signToken({ id: userId, role: 'customer' });
    shift(ms);
    const headers = { authorization: `Bearer ${token}` };
    expect(await call(createOrder, { items: [{ sku: 'pen', quantity: 1 }] }, { headers })).toMatchObject({
      status: 202,
    });
    // asked again: a token that was good is good until it expires, by the same clock
    expect((await verifyToken(headers.authorization)).id).toBe(userId);
  });

  // promise: function-whose-clock-hour
  test('dates an event as the database does', async () => {
    await connectDatabase();
    shift(ms);
    const { time } = orderPlaced.create(orderPlaced.sample);
    shift(0);
    expect(Math.abs(Date.parse(time) - Date.now())).toBeLessThan(5_000);
  });
});
