import { setTimeout as sleep } from 'node:timers/promises';
import type { LoadGenerator } from '../load-generator.ts';
import { max, min } from '../saturation.ts';
import { latency, type Latency } from '../statistics.ts';
import { concurrency } from './peer.ts';
import type { Missing, RunningSystem, System } from './system.ts';

export interface Context {
  customers: string[];
  load: LoadGenerator;
  say(line: string): void;
  /** Registers what an interruption has to stop. */
  onStop(stop: () => Promise<void>): void;
}

/** The performance of a system in one round. */
export interface Performance {
  ordersPerSecond: number;
  /** At 100 orders per second. */
  endToEnd: Latency;
}

/** Starts a system, warms it up, measures it, checks its data, and stops it. */
export async function measurePerformance(system: System, seconds: number, context: Context): Promise<Performance> {
  return withRunning(system, context, async (running) => {
    await warmUp(running, context);
    const burst = await context.load.call({ do: 'saturate', connections: concurrency, seconds });
    const saturated = await running.completed(burst);
    // until the last notification was written, not until it was read
    const from = min(saturated.map(({ sentAt }) => sentAt));
    const to = max(saturated.map(({ notifiedAt }) => notifiedAt));
    const steady = await running.completed(await context.load.call({ do: 'steady', rate: 100, seconds }));
    await running.check();
    return {
      ordersPerSecond: saturated.length / ((to - from) / 1_000),
      endToEnd: latency(steady.map(({ sentAt, notifiedAt }) => notifiedAt - sentAt)),
    };
  });
}

/** The result of a kill -9. */
export interface Recovery extends Missing {
  accepted: number;
  /** Until it accepted orders again. */
  restartMs: number;
  /** Until every order was settled; undefined if some were not within a minute. */
  settledMs: number | undefined;
}

const timeoutMs = 60_000;

/** Kills a system while it processes 300 orders, restarts it and counts which of the accepted orders it settles. */
export async function measureRecovery(system: System, context: Context): Promise<Recovery> {
  return withRunning(system, context, async (running) => {
    await warmUp(running, context);
    // within a quarter of a second: faster than most systems process them, so a large part is in flight
    const sending = context.load.call({ do: 'steady', rate: 1_200, seconds: 0.25 });
    await sleep(300);
    const killedAt = performance.now();
    await running.killAndRestart();
    const restartMs = performance.now() - killedAt;
    const { accepted } = await sending;
    const ids = accepted.map(({ id }) => id);
    for (;;) {
      const missing = await running.missing(ids);
      const sinceMs = performance.now() - killedAt;
      const done = missing.lost + missing.stuck === 0;
      if (done || sinceMs > restartMs + timeoutMs) {
        return { ...missing, accepted: ids.length, restartMs, settledMs: done ? sinceMs : undefined };
      }
      await sleep(20);
    }
  });
}

async function withRunning<Result>(
  system: System,
  { customers, load, onStop }: Context,
  work: (running: RunningSystem) => Promise<Result>,
): Promise<Result> {
  const starting = system.start(customers);
  onStop(async () => (await starting.catch(() => undefined))?.stop());
  const running = await starting;
  try {
    await load.call({ do: 'begin', customers, ...running.target });
    return await work(running);
  } finally {
    await running.stop();
  }
}

/** Sends orders until it gets no faster, up to three rounds. */
async function warmUp(running: RunningSystem, { load, say }: Context): Promise<void> {
  let best = 0;
  for (let round = 1; round <= 3; round += 1) {
    const sent = await load.call({ do: 'saturate', connections: concurrency, seconds: 3 });
    await running.completed(sent);
    const accepted = sent.accepted.length / 3;
    say(`warm-up ${round}: ${Math.round(accepted)} orders/s accepted`);
    if (accepted < best * 1.05) return;
    best = accepted;
  }
}
