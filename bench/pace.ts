import { setTimeout as sleep } from 'node:timers/promises';

/** Closed loop with `inFlight` orders at a time, or open loop at a fixed rate. */
export type Pace = { inFlight: number } | { perSecond: number };

/** Calls `order` at a pace; resolves after the last. */
export async function atPace(pace: Pace, seconds: number, order: (at: number) => Promise<void>): Promise<void> {
  if ('perSecond' in pace) return atRate(pace.perSecond, seconds, order);
  const until = performance.now() + seconds * 1_000;
  const connection = async () => {
    while (performance.now() < until) await order(performance.now());
  };
  await Promise.all(Array.from({ length: pace.inFlight }, connection));
}

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
