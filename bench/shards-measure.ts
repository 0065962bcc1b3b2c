import { setTimeout as sleep } from 'node:timers/promises';
import { startLoadGenerator, type LoadGenerator } from './load-generator.ts';
import { assertAllAccepted, readOutcomes, waitForCompletion } from './orders.ts';
import { max, min } from './saturation.ts';
import { checkShards } from './shards-check.ts';
import { readCounters, settle, type Shard } from './shards-servers.ts';
import type { ShopsRequest, ShopsResponse } from './shards-shops.ts';
import { latency, type Latency } from './statistics.ts';
import { startWorker, type Worker } from './worker.ts';

/** Shards with the process of their functions, and a load generator whose orders it routes. */
export interface Sharded {
  shards: Shard[];
  shops: Worker<ShopsRequest, ShopsResponse>;
  load: LoadGenerator;
  /** All orders that were accepted so far. */
  accepted: string[];
}

/** Closed loop: one order after the other on each of so many connections. Open loop: so many orders per second. */
export type Pace = { connections: number } | { perSecond: number };

/** What an order cost. */
export interface ShardedCost {
  orders: number;
  ordersPerSecond: number;
  /** Until the notification is written, in ms. */
  endToEnd: Latency;
  postgresCpuMs: number;
  /** CPU ms of the process of the functions, broker and routers included. */
  functionsCpuMs: number;
  statements: number;
  /** Commits that wrote. */
  commits: number;
  walBytes: number;
  /** Cores used by programs that are not part of this benchmark. */
  foreignCores: number;
}

/** The runs of one number of shards at one pace. */
export interface Series {
  shards: number;
  pace: Pace;
  runs: ShardedCost[];
}

/** Starts the functions of these shards and a load generator, and begins its customers. */
export async function startSharded(shards: Shard[], onStop: (stop: () => void) => void): Promise<Sharded> {
  const shops = startWorker<ShopsRequest, ShopsResponse>('shards-shops.ts', {
    LOG_LEVEL: 'error',
    CURSOR_KEY: Buffer.alloc(32).toString('base64url'),
  });
  const load = startLoadGenerator();
  onStop(() => shops.end());
  onStop(() => load.end());
  await shops.call({ do: 'start', databaseUrls: shards.map(({ url }) => url) });
  const sharded = { shards, shops, load, accepted: [] };
  await begin(sharded);
  return sharded;
}

/** Gives the customers new tokens, which are valid for 15 minutes. */
async function begin({ shards, shops, load }: Sharded): Promise<void> {
  const { url } = await shops.call({ do: 'read' });
  await load.call({ do: 'begin', url, customers: shards.flatMap(({ customers }) => customers) });
}

/** Sends orders and measures what they cost; then checks all shards. */
export async function measureSharded(sharded: Sharded, pace: Pace, seconds: number): Promise<ShardedCost> {
  const { shards, shops, load, accepted } = sharded;
  await begin(sharded);
  await settle(shards);
  // the first change of each page after a checkpoint writes the whole page into the log
  await saturate(sharded, 3);
  await sleep(1_100);
  const { cpuMs: from } = await shops.call({ do: 'read' });
  const before = await readCounters(shards);
  const sent = await load.call(
    'connections' in pace
      ? { do: 'saturate', connections: pace.connections, seconds }
      : { do: 'steady', rate: pace.perSecond, seconds },
  );
  await Promise.all(shards.map((shard) => waitForCompletion(shard)));
  await sleep(1_100); // a backend reports its transactions up to a second late
  const after = await readCounters(shards);
  const { cpuMs: to } = await shops.call({ do: 'read' });

  const parts = await Promise.all(
    shards.map(({ sql }) =>
      sql<{ id: string }>('select id from ordering.orders where id = any ($1::uuid[])', [
        sent.accepted.map(({ id }) => id),
      ]),
    ),
  );
  const shardOfOrder = new Map(parts.flatMap((rows, index) => rows.map(({ id }) => [id, index] as const)));
  const outcomes = [];
  for (const [index, shard] of shards.entries()) {
    const own = sent.accepted.filter(({ id }) => (shardOfOrder.get(id) ?? 0) === index);
    outcomes.push(...(await readOutcomes(shard, { ...sent, accepted: own })));
  }
  accepted.push(...sent.accepted.map(({ id }) => id));
  await checkShards(shards, accepted);

  const orders = outcomes.length;
  const firstMs = min(outcomes.map(({ sentAt }) => sentAt));
  const lastMs = max(outcomes.map(({ notifiedAt }) => notifiedAt));
  const ownMs = after.cpuMs - before.cpuMs + (to - from) + sent.cpuMs;
  return {
    orders,
    ordersPerSecond: orders / ((lastMs - firstMs) / 1_000),
    endToEnd: latency(outcomes.map(({ notifiedAt, sentAt }) => notifiedAt - sentAt)),
    postgresCpuMs: (after.cpuMs - before.cpuMs) / orders,
    functionsCpuMs: (to - from) / orders,
    statements: (after.statements - before.statements) / orders,
    commits: (after.writes - before.writes) / orders,
    walBytes: (after.walBytes - before.walBytes) / orders,
    foreignCores: Math.max(0, after.machineMs - before.machineMs - ownMs) / (after.atMs - before.atMs),
  };
}

/** CPU ms per second of the servers of these shards while their functions only poll. */
export async function measureIdle(shards: Shard[], seconds: number): Promise<number> {
  await settle(shards);
  const before = await readCounters(shards);
  await sleep(seconds * 1_000);
  const after = await readCounters(shards);
  return ((after.cpuMs - before.cpuMs) / (after.atMs - before.atMs)) * 1_000;
}

/** Sends as many orders as it can, and waits until they are notified. */
export async function saturate({ shards, load, accepted }: Sharded, seconds: number): Promise<void> {
  const sent = await load.call({ do: 'saturate', connections: 32, seconds });
  assertAllAccepted(sent);
  await Promise.all(shards.map((shard) => waitForCompletion(shard)));
  accepted.push(...sent.accepted.map(({ id }) => id));
}

/** Ends the functions and the load generator; the servers stay. */
export function endSharded({ shops, load }: Sharded): void {
  load.end();
  shops.end();
}
