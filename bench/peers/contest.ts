import { setTimeout as sleep } from 'node:timers/promises';
import { latency } from '../statistics.ts';
import type { System, Generator, Missing, Running, Turn } from './system.ts';
import { concurrency } from './peer.ts';

/** What a turn needs from the benchmark around it. */
export interface Scene {
  customers: string[];
  load: Generator;
  say(line: string): void;
  /** What has to be stopped if the benchmark is interrupted. */
  onStop(stop: () => Promise<void>): void;
}

/** Starts a system, lets it get warm, measures it, checks what it has done, and ends it. */
export async function takeTurn(system: System, seconds: number, scene: Scene): Promise<Turn> {
  return onStage(system, scene, async (running) => {
    await warmUp(running, scene);
    const burst = await scene.load.ask({ do: 'saturate', connections: concurrency, seconds });
    const rush = await running.completed(burst);
    // the last notification, not the moment in which we saw it
    const from = rush.reduce((least, { sentAt }) => Math.min(least, sentAt), Infinity);
    const to = rush.reduce((most, { notifiedAt }) => Math.max(most, notifiedAt), -Infinity);
    const calm = await running.completed(await scene.load.ask({ do: 'steady', rate: 100, seconds }));
    await running.check();
    return {
      ordersPerSecond: rush.length / ((to - from) / 1_000),
      endToEnd: latency(calm.map(({ sentAt, notifiedAt }) => notifiedAt - sentAt)),
    };
  });
}

/** What a kill -9 left behind. */
export interface Aftermath extends Missing {
  accepted: number;
  /** Until it took orders again. */
  restartMs: number;
  /** Until every order was decided; undefined if some were not within a minute. */
  decidedMs: number | undefined;
}

const timeoutMs = 60_000;

/** Kills a system in the middle of 300 orders, starts it again and looks at the orders it had accepted. */
export async function killInTheMiddle(system: System, scene: Scene): Promise<Aftermath> {
  return onStage(system, scene, async (running) => {
    await warmUp(running, scene);
    // all of them within a quarter of a second: more than most take in that time, so many are under way
    const sending = scene.load.ask({ do: 'steady', rate: 1_200, seconds: 0.25 });
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
        return { ...missing, accepted: ids.length, restartMs, decidedMs: done ? sinceMs : undefined };
      }
      await sleep(20);
    }
  });
}

async function onStage<Result>(
  system: System,
  { customers, load, onStop }: Scene,
  play: (running: Running) => Promise<Result>,
): Promise<Result> {
  const starting = system.start(customers);
  onStop(async () => (await starting.catch(() => undefined))?.stop());
  const running = await starting;
  try {
    await load.ask({ do: 'begin', customers, ...running.begin });
    return await play(running);
  } finally {
    await running.stop();
  }
}

/** Until it gets no faster, three rounds at the most. */
async function warmUp(running: Running, { load, say }: Scene): Promise<void> {
  let best = 0;
  for (let round = 1; round <= 3; round += 1) {
    const sent = await load.ask({ do: 'saturate', connections: concurrency, seconds: 3 });
    await running.completed(sent);
    const accepted = sent.accepted.length / 3;
    say(`warm-up ${round}: ${Math.round(accepted)} orders/s accepted`);
    if (accepted < best * 1.05) return;
    best = accepted;
  }
}
