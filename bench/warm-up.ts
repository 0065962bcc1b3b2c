import { seed } from './customers.ts';
import type { Load, Sent } from './load.ts';
import { completed, giveUpMails, mailed } from './orders.ts';
import type { Shop } from './shop.ts';
import type { Worker } from './worker.ts';

interface Scene {
  shop: Shop;
  load: Worker<Load, Sent>;
  customers: string[];
  connections: number;
  /** How long to wait for the mails. */
  timeoutMs: number;
  /** At most so many; 6 if it is not given. */
  rounds?: number;
  say(line: string): void;
}

/** Brings the customers in and has them order; gives the ids of what was accepted. */
export async function warmUp({
  shop,
  load,
  customers,
  connections,
  timeoutMs,
  rounds = 6,
  say,
}: Scene): Promise<string[]> {
  const accepted: string[] = [];
  await seed(shop, customers);
  await load.ask({ do: 'begin', url: shop.url, customers });
  // until it gets no faster: a process compiles what it runs often, and there may be fourteen of them
  let best = 0;
  for (let round = 1; round <= rounds; round += 1) {
    const sent = await load.ask({ do: 'saturate', connections, seconds: 5 });
    accepted.push(...sent.accepted.map(({ id }) => id));
    await completed(shop);
    if (await mailed(shop, timeoutMs)) await giveUpMails(shop);
    const perSecond = sent.accepted.length / 5;
    say(`warm-up ${round}: ${Math.round(perSecond)} orders/s accepted`);
    if (perSecond < best * 1.05) break;
    best = perSecond;
  }
  return accepted;
}
