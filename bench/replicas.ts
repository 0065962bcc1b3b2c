import { newCustomers } from './customers.ts';
import { checkInvariants } from './invariants.ts';
import { startLoadGenerator } from './load-generator.ts';
import type { Session } from './measure.ts';
import { saturate, type Saturation } from './saturation.ts';
import { startReplicas } from './shop.ts';
import { warmUp } from './warm-up.ts';

export interface Replicated {
  /** Processes of each function except the storefront. */
  replicas: number;
  saturation: Saturation;
}

interface Options {
  connections: number;
  seconds: number;
  timeoutMs: number;
}

/** Saturates a shop with one, two and four processes of each function, each shop started from scratch. */
export async function compareReplicas(options: Options, session: Session): Promise<Replicated[]> {
  const results: Replicated[] = [];
  for (const replicas of [1, 2, 4]) {
    const say = (line: string) => session.say(`${replicas} of each function: ${line}`);
    say('start');
    const shop = await startReplicas(replicas, (stop) => session.onStop(stop));
    const load = startLoadGenerator();
    session.onStop(() => load.end());
    try {
      const accepted = await warmUp({ shop, load, customers: newCustomers(10_000), ...options, say });
      const { saturation, accepted: ids } = await saturate(shop, load, options);
      await checkInvariants(shop, [...accepted, ...ids]);
      say(`${Math.round(saturation.ordersPerSecond)} orders/s`);
      results.push({ replicas, saturation });
    } finally {
      load.end();
      await shop.stop();
    }
  }
  return results;
}
