import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Open loop: calls `order` when its time has come, whether or not earlier ones are done, with that time in ms of
 * `performance.now()`; what comes late counts from when it was to come (no coordinated omission). Ends with the last.
 */
export async function atRate(perSecond: number, seconds: number, order: (at: number) => Promise<void>): Promise<void> {
  const first = performance.now() + 50;
  const orders: Promise<void>[] = [];
  for (let index = 0; index < perSecond * seconds; index += 1) {
    const at = first + (index * 1_000) / perSecond;
    const early = at - performance.now();
    // timers are whole milliseconds: up to one too late, which counts as latency
    if (early > 0) await sleep(Math.ceil(early));
    orders.push(order(at));
  }
  await Promise.all(orders);
}
