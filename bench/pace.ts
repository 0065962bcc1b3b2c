import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Open loop: calls `order` at fixed intervals, whether or not earlier calls are done, with its intended time in ms of
 * `performance.now()`. A late call counts from its intended time (no coordinated omission). Resolves after the last.
 */
export async function atRate(perSecond: number, seconds: number, order: (at: number) => Promise<void>): Promise<void> {
  const first = performance.now() + 50;
  const orders: Promise<void>[] = [];
  for (let index = 0; index < perSecond * seconds; index += 1) {
    const at = first + (index * 1_000) / perSecond;
    const early = at - performance.now();
    // timers have millisecond resolution: being up to 1 ms late counts as latency
    if (early > 0) await sleep(Math.ceil(early));
    orders.push(order(at));
  }
  await Promise.all(orders);
}
