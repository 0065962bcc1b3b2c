import type { Load, Sent } from './load.ts';
import { completed, findOutcomes, mailed } from './orders.ts';
import type { Shop } from './shop.ts';
import { latency, type Latency } from './statistics.ts';
import type { Worker } from './worker.ts';

/** Latencies in ms, each from when the order was to be sent, however late it was (no coordinated omission). */
export interface Steady {
  rate: number;
  /** Until the 202. */
  accept: Latency;
  /** Until the notification is written. */
  endToEnd: Latency;
  /** Until the row says that the catcher has taken the mail; undefined if some were not sent in time. */
  mailed: Latency | undefined;
}

/** Orders at a fixed rate, whether or not earlier ones were answered. */
export async function steady(
  shop: Shop,
  load: Worker<Load, Sent>,
  { rate, seconds, alone = false }: { rate: number; seconds: number; alone?: boolean },
): Promise<{ steady: Steady; accepted: string[] }> {
  const sent = await load.ask({ do: 'steady', rate, seconds, alone });
  await completed(shop);
  await mailed(shop, 5_000);
  const orders = await findOutcomes(shop, sent);
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
