import type { LoadGenerator } from './load-generator.ts';
import { readOutcomes, waitForCompletion, waitForMails } from './orders.ts';
import type { Shop } from './shop.ts';
import { latency, type Latency } from './statistics.ts';

/** Latencies in ms, each from the intended time of the order (no coordinated omission). */
export interface Steady {
  rate: number;
  /** Until the 202. */
  accept: Latency;
  /** Until the notification is written. */
  endToEnd: Latency;
  /** Until the mail catcher accepted the mail, according to its row; undefined if some mails were not sent in time. */
  mailed: Latency | undefined;
}

/** Sends orders at a fixed rate, whether or not earlier ones have a response. */
export async function steady(
  shop: Shop,
  load: LoadGenerator,
  { rate, seconds, alone = false }: { rate: number; seconds: number; alone?: boolean },
): Promise<{ steady: Steady; accepted: string[] }> {
  const sent = await load.call({ do: 'steady', rate, seconds, alone });
  await waitForCompletion(shop);
  await waitForMails(shop, 5_000);
  const orders = await readOutcomes(shop, sent);
  const mails = orders.flatMap(({ mailedAt, sentAt }) => (mailedAt === null ? [] : [mailedAt - sentAt]));
  return {
    steady: {
      rate,
      accept: latency(orders.map(({ acceptMs }) => acceptMs)),
      endToEnd: latency(orders.map(({ notifiedAt, sentAt }) => notifiedAt - sentAt)),
      mailed: mails.length === orders.length ? latency(mails) : undefined,
    },
    accepted: sent.accepted.map(({ id }) => id),
  };
}
