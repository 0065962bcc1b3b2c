import { groups, readCounters, trackPeakMemory, type Counters, type Group } from './costs.ts';
import type { LoadGenerator } from './load-generator.ts';
import { discardQueuedMails, readOutcomes, waitForCompletion, waitForMails } from './orders.ts';
import type { Shop } from './shop.ts';
import { latency, type Latency } from './statistics.ts';

/** Resources per order of one saturation. */
export interface Cost {
  cpuMs: Record<Group, number>;
  /** All processes except the load generator. */
  totalCpuMs: number;
  walBytes: number;
  /** Transactions that wrote, each with its own commit. */
  writes: number;
  /** All commits, reads included; Postgres reports them up to a second late. */
  commits: number;
}

export interface Saturation {
  orders: number;
  /** Orders settled and notified, per second from the first order sent to the last notification written. */
  ordersPerSecond: number;
  accept: Latency;
  /** From the first order to the last notification. */
  cost: Cost;
  /** From the first order to the last mail marked as sent. */
  costWithMails: Cost;
  generatorCpuMs: number;
  /** Cores used by programs that are not part of this benchmark. */
  foreignCores: number;
  /** Peak memory of any process of functions. */
  peakMb: number;
  mails: {
    perSecond: number;
    /** From the last notification to the last mail. */
    afterMs: number;
    /** Not sent when the benchmark stopped waiting. */
    queued: number;
  };
}

interface Options {
  connections: number;
  seconds: number;
  /** How long to wait for the mails. */
  timeoutMs: number;
}

/** Sends orders over all connections, one after the other on each, then waits for the open chains and the mails. */
export async function saturate(
  shop: Shop,
  load: LoadGenerator,
  { connections, seconds, timeoutMs }: Options,
): Promise<{ saturation: Saturation; accepted: string[] }> {
  // a full mail catcher would be slower
  await fetch(`${shop.mailUrl}/api/email/all`, { method: 'DELETE', signal: AbortSignal.timeout(30_000) });
  const before = await readCounters(shop);
  const { result: sent, peakMb } = await trackPeakMemory(shop.pid, async () => {
    const response = await load.call({ do: 'saturate', connections, seconds });
    await waitForCompletion(shop);
    return response;
  });
  const done = await readCounters(shop);
  const queued = await waitForMails(shop, timeoutMs);
  const drained = await readCounters(shop);
  if (queued > 0) await discardQueuedMails(shop);

  const orders = await readOutcomes(shop, sent);
  const count = orders.length;
  const firstSentAt = min(orders.map(({ sentAt }) => sentAt));
  const lastNotifiedAt = max(orders.map(({ notifiedAt }) => notifiedAt));
  const lastMailedAt = max(orders.map(({ mailedAt }) => mailedAt ?? 0));
  const cost = costOf(before, done, count);
  const ownMs = cost.totalCpuMs * count + sent.cpuMs;
  const saturation = {
    orders: count,
    ordersPerSecond: count / ((lastNotifiedAt - firstSentAt) / 1_000),
    accept: latency(orders.map(({ acceptMs }) => acceptMs)),
    cost,
    costWithMails: costOf(before, drained, count),
    generatorCpuMs: sent.cpuMs / count,
    foreignCores: Math.max(0, (done.machineMs - before.machineMs - ownMs) / (done.atMs - before.atMs)),
    peakMb,
    mails: {
      perSecond: (count - queued) / ((lastMailedAt - firstSentAt) / 1_000),
      afterMs: Math.max(0, lastMailedAt - lastNotifiedAt),
      queued,
    },
  };
  return { saturation, accepted: sent.accepted.map(({ id }) => id) };
}

// not Math.min(...values), which has a limit on arguments
export const min = (values: number[]): number => values.reduce((a, b) => Math.min(a, b), Infinity);
export const max = (values: number[]): number => values.reduce((a, b) => Math.max(a, b), -Infinity);

function costOf(from: Counters, to: Counters, orders: number): Cost {
  const cpuMs = { functions: 0, postgres: 0, broker: 0, catcher: 0 };
  for (const group of groups) cpuMs[group] = (to.cpuMs[group] - from.cpuMs[group]) / orders;
  return {
    cpuMs,
    totalCpuMs: groups.reduce((sum, group) => sum + cpuMs[group], 0),
    walBytes: (to.walBytes - from.walBytes) / orders,
    writes: (to.writes - from.writes) / orders,
    commits: (to.commits - from.commits) / orders,
  };
}
