import { newCustomers } from './customers.ts';
import type { Load, Sent } from './load.ts';
import type { Session } from './measure.ts';
import { saturate, type Saturation } from './saturation.ts';
import { startReplicas } from './shop.ts';
import { checkSound } from './sound.ts';
import { warmUp } from './warm-up.ts';
import { startWorker } from './worker.ts';

export interface Replicated {
  /** Processes of each function but the storefront. */
  replicas: number;
  saturation: Saturation;
}

interface Saturating {
  connections: number;
  seconds: number;
  timeoutMs: number;
}

/** A saturation with one, two and four processes of each function, each in a shop of its own. */
export async function compareReplicas(how: Saturating, session: Session): Promise<Replicated[]> {
  const found: Replicated[] = [];
  for (const replicas of [1, 2, 4]) {
    const say = (line: string) => session.say(`${replicas} of each function: ${line}`);
    say('start');
    const shop = await startReplicas(replicas, (stop) => session.onStop(stop));
    const load = startWorker<Load, Sent>('load.ts');
    session.onStop(() => load.end());
    try {
      const accepted = await warmUp({ shop, load, customers: newCustomers(10_000), ...how, say });
      const { saturation, accepted: ids } = await saturate(shop, load, how);
      await checkSound(shop, [...accepted, ...ids]);
      say(`${Math.round(saturation.ordersPerSecond)} orders/s`);
      found.push({ replicas, saturation });
    } finally {
      load.end();
      await shop.stop();
    }
  }
  return found;
}
