import { afterEach, describe, expect, test } from '@jest/globals';
import { orderPlaced } from '#events/order-placed.ts';
import { handle as createOrder } from '#functions/create-order/index.ts';
import { call } from '#test/support/calls.ts';
import { useDatabase } from '#test/support/database.ts';
import { customer } from '#test/support/fixtures.ts';
import { beginChain } from '#platform/events/event.ts';
import { context, signToken } from '#test/support/context.ts';

// Times that several processes compare come from the database's clock: the clock of a process may be an hour off.

useDatabase();

const RealDate = Date;
afterEach(() => {
  globalThis.Date = RealDate;
});

/** Sets the clock of this process off by `ms`. */
function shift(ms: number): void {
  globalThis.Date = class extends RealDate {
    constructor(given?: number | string) {
      super(given ?? RealDate.now() + ms);
    }
    static override now = () => RealDate.now() + ms;
  } as DateConstructor;
}

const hourMs = 3_600_000;

describe.each([-hourMs, hourMs])('a process whose clock is %s ms off', (ms) => {
  // promise: clock-skew
  test('signs tokens that are valid for a quarter of an hour', async () => {
    await context.connect();
    const { userId } = await customer();
    shift(ms);
    const token = await signToken({ id: userId, role: 'customer' });
    shift(0);
    const { expiresAtMs } = await context.verifyToken(`Bearer ${token}`);
    expect(Math.abs(expiresAtMs - Date.now() - 900_000)).toBeLessThan(5_000);
  });

  // promise: clock-skew
  test('accepts the tokens of other processes, and orders', async () => {
    await context.connect();
    const { userId } = await customer();
    const token = await signToken({ id: userId, role: 'customer' });
    shift(ms);
    const headers = { authorization: `Bearer ${token}` };
    expect(await call(createOrder, { items: [{ sku: 'pen', quantity: 1 }] }, { headers })).toMatchObject({
      status: 202,
    });
    // a token that was valid is valid until it expires, by the same clock
    expect((await context.verifyToken(headers.authorization)).id).toBe(userId);
  });

  // promise: clock-skew
  test('dates an event as the database does', async () => {
    await context.connect();
    shift(ms);
    const { time } = beginChain(orderPlaced.create(orderPlaced.sample), { now: context.clock.now() });
    shift(0);
    expect(Math.abs(Date.parse(time) - Date.now())).toBeLessThan(5_000);
  });
});
