import { seed } from './customers.ts';
import type { LoadGenerator } from './load-generator.ts';
import { discardQueuedMails, waitForCompletion, waitForMails } from './orders.ts';
import type { Shop } from './shop.ts';

interface WarmUp {
  shop: Shop;
  load: LoadGenerator;
  customers: string[];
  connections: number;
  /** How long to wait for the mails. */
  timeoutMs: number;
  /** Maximum; 6 by default. */
  rounds?: number;
  say(line: string): void;
}

/** Adds the customers and sends orders until it gets no faster. Returns the ids of the accepted orders. */
export async function warmUp({
  shop,
  load,
  customers,
  connections,
  timeoutMs,
  rounds = 6,
  say,
}: WarmUp): Promise<string[]> {
  const accepted: string[] = [];
  await seed(shop, customers);
  await load.call({ do: 'begin', url: shop.url, customers });
  // V8 compiles hot code, in up to fourteen processes
  let best = 0;
  for (let round = 1; round <= rounds; round += 1) {
    const sent = await load.call({ do: 'saturate', connections, seconds: 5 });
    accepted.push(...sent.accepted.map(({ id }) => id));
    await waitForCompletion(shop);
    if (await waitForMails(shop, timeoutMs)) await discardQueuedMails(shop);
    const perSecond = sent.accepted.length / 5;
    say(`warm-up ${round}: ${Math.round(perSecond)} orders/s accepted`);
    if (perSecond < best * 1.05) break;
    best = perSecond;
  }
  return accepted;
}
