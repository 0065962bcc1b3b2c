import { caughtMails, emptyCatcher } from './catcher.ts';
import { groups, readCounters, watchingMemory, type Counters, type Group } from './costs.ts';
import type { Load, Sent } from './load.ts';
import { completed, giveUpMails, findOutcomes, mailed } from './orders.ts';
import type { Shop } from './shop.ts';
import { latency, type Latency } from './statistics.ts';
import type { Worker } from './worker.ts';

/** What the orders of one saturation cost, each. */
export interface Cost {
  cpuMs: Record<Group, number>;
  /** All processes but the load generator. */
  totalCpuMs: number;
  walBytes: number;
  /** Transactions that wrote, each with its own commit. */
  writes: number;
  /** All commits, the reads too; as Postgres tells them, up to a second late. */
  commits: number;
}

export interface Saturation {
  orders: number;
  /** Orders decided and told, over the time from the first order sent to the last notification written. */
  ordersPerSecond: number;
  accept: Latency;
  /** From the first order to the last notification. */
  cost: Cost;
  /** From the first order to the last mail marked as sent. */
  costWithMails: Cost;
  generatorCpuMs: number;
  /** Cores that programs took which are not of this benchmark. */
  strangersCores: number;
  /** The most that one process of functions had in memory. */
  maxMb: number;
  mails: {
    perSecond: number;
    /** Between the last notification and the last mail. */
    afterMs: number;
    /** Not sent when the benchmark stopped waiting. */
    queued: number;
    /** In the catcher; undefined where it cannot tell. */
    caught: number | undefined;
  };
}

interface Options {
  connections: number;
  seconds: number;
  /** How long to wait for the mails. */
  timeoutMs: number;
}

/** So many connections, each with one order after the other; then waits for the rest of the chains, and the mails. */
export async function saturate(
  shop: Shop,
  load: Worker<Load, Sent>,
  { connections, seconds, timeoutMs }: Options,
): Promise<{ saturation: Saturation; accepted: string[] }> {
  await emptyCatcher(shop.mailUrl);
  const before = await readCounters(shop);
  const { result: sent, maxMb } = await watchingMemory(shop.pid, async () => {
    const answer = await load.ask({ do: 'saturate', connections, seconds });
    await completed(shop);
    return answer;
  });
  const done = await readCounters(shop);
  const queued = await mailed(shop, timeoutMs);
  const drained = await readCounters(shop);
  if (queued > 0) await giveUpMails(shop);

  const orders = await findOutcomes(shop, sent);
  const count = orders.length;
  const firstSentAt = least(orders.map(({ sentAt }) => sentAt));
  const lastNotifiedAt = most(orders.map(({ notifiedAt }) => notifiedAt));
  const lastMailedAt = most(orders.map(({ mailedAt }) => mailedAt ?? 0));
  const cost = costOf(before, done, count);
  const ours = cost.totalCpuMs * count + sent.cpuMs;
  const saturation = {
    orders: count,
    ordersPerSecond: count / ((lastNotifiedAt - firstSentAt) / 1_000),
    accept: latency(orders.map(({ acceptMs }) => acceptMs)),
    cost,
    costWithMails: costOf(before, drained, count),
    generatorCpuMs: sent.cpuMs / count,
    strangersCores: Math.max(0, (done.machineMs - before.machineMs - ours) / (done.atMs - before.atMs)),
    maxMb,
    mails: {
      perSecond: (count - queued) / ((lastMailedAt - firstSentAt) / 1_000),
      afterMs: Math.max(0, lastMailedAt - lastNotifiedAt),
      queued,
      caught: await caughtMails(shop.mailUrl),
    },
  };
  return { saturation, accepted: sent.accepted.map(({ id }) => id) };
}

// not Math.min(...): there are too many for arguments
const least = (values: number[]) => values.reduce((a, b) => Math.min(a, b), Infinity);
const most = (values: number[]) => values.reduce((a, b) => Math.max(a, b), -Infinity);

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
