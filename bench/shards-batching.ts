import { batch } from '#platform/database/batch.ts';
import { createClock } from '#platform/database/clock.ts';
import { createDatabase, type DatabasePool } from '#platform/database/database.ts';
import { atPace, type Pace } from './pace.ts';
import { shardOf } from './shards-route.ts';
import { latency, type Latency } from './statistics.ts';
import { place, steps, type MakeStep, type Run } from './steps.ts';
import { serveRequests } from './worker.ts';

/** A run of the functions' own statements on several shards, without HTTP and events. */
export interface BatchingRun {
  databaseUrls: string[];
  /**
   * `shard`: the orders of each shard form batches of their own, as with a set of functions for each shard. `batch`:
   * orders form batches whatever their shard is, and each batch is split by shard and waits for all of its parts.
   */
  first: 'shard' | 'batch';
  pace: Pace;
  seconds: number;
  customers: string[];
}

export interface BatchingResult {
  ordersPerSecond: number;
  /** Each is a transaction with its own commit. */
  statementsPerOrder: number;
  cpuMsPerOrder: number;
  /** Of the orders of the first shard, and of all others. */
  first: Latency;
  others: Latency;
}

let pools: DatabasePool[] = [];
let statements = 0;

serveRequests<BatchingRun, BatchingResult>(async ({ databaseUrls, first, pace, seconds, customers }) => {
  if (pools.length === 0) pools = databaseUrls.map(open);
  const run = steps(first === 'shard' ? shardFirst : batchFirst);
  const took: { shard: number; ms: number }[] = [];
  const began = performance.now();
  const cpu = process.cpuUsage();
  statements = 0;
  const order = async (at: number) => {
    const userId = customers[Math.floor(Math.random() * customers.length)] ?? '';
    await place(run, userId);
    took.push({ shard: shardOf(userId, pools.length), ms: performance.now() - at });
  };
  await atPace(pace, seconds, order);
  const { user, system } = process.cpuUsage(cpu);
  const latencyOf = (isWanted: (shard: number) => boolean) =>
    latency(took.filter(({ shard }) => isWanted(shard)).map(({ ms }) => ms));
  return {
    ordersPerSecond: took.length / ((performance.now() - began) / 1_000),
    statementsPerOrder: statements / took.length,
    cpuMsPerOrder: (user + system) / 1_000 / took.length,
    first: latencyOf((shard) => shard === 0),
    others: latencyOf((shard) => shard !== 0),
  };
});

function open(databaseUrl: string): DatabasePool {
  process.env['DATABASE_URL'] = databaseUrl; // createDatabase reads it
  return createDatabase({ name: 'batching', clock: createClock() });
}

async function counted<Item>(run: Run<Item>, shard: number, items: Item[]): Promise<object[]> {
  statements += 1;
  const rows = await run(pools[shard] as DatabasePool, items);
  if (rows.length !== items.length) throw new Error(`${items.length} orders returned ${rows.length} rows`);
  return rows;
}

const shardFirst: MakeStep = <Item extends { userId: string }>(key: (item: Item) => string, run: Run<Item>) => {
  const batches = pools.map((_, shard) => batch<Item, object>({ key, run: (items) => counted(run, shard, items) }));
  return async (item: Item) => batches[shardOf(item.userId, pools.length)]?.(item);
};

const batchFirst: MakeStep = <Item extends { userId: string }>(key: (item: Item) => string, run: Run<Item>) =>
  batch<Item, object>({
    key,
    run: async (items) => {
      const parts = Map.groupBy(items, ({ userId }) => shardOf(userId, pools.length));
      await Promise.all([...parts].map(([shard, part]) => counted(run, shard, part)));
      return items;
    },
  });
