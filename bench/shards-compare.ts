import pg from 'pg';
import { checkInvariants } from './invariants.ts';
import { discardQueuedMails } from './orders.ts';
import type { BatchingResult, BatchingRun } from './shards-batching.ts';
import { settle, type Shard } from './shards-servers.ts';
import { startWorker } from './worker.ts';

/** The two orders of batching and splitting, with one result per repetition. */
export interface Batching {
  first: BatchingRun['first'];
  /** 32 orders in flight. */
  saturated: BatchingResult[];
  /** At a fixed rate. */
  steady: BatchingResult[];
  /** The same while a lock holds up the first shard for a second. */
  held: BatchingResult[];
}

const heldMs = 1_000;

/** Compares batches that are split by shard with batches of each shard, by the functions' own statements. */
export async function compareBatching(
  shards: Shard[],
  { repetitions, seconds, perSecond }: { repetitions: number; seconds: number; perSecond: number },
  say: (line: string) => void,
  onStop: (stop: () => void) => void,
): Promise<Batching[]> {
  const worker = startWorker<BatchingRun, BatchingResult>('shards-batching.ts', { LOG_LEVEL: 'error' });
  onStop(() => worker.end());
  const all: Batching[] = (['shard', 'batch'] as const).map((first) => ({
    first,
    saturated: [],
    steady: [],
    held: [],
  }));
  const run = (first: BatchingRun['first'], pace: BatchingRun['pace']) =>
    worker.call({
      databaseUrls: shards.map(({ url }) => url),
      first,
      pace,
      seconds,
      customers: shards.flatMap(({ customers }) => customers),
    });
  for (let repetition = 0; repetition <= repetitions; repetition += 1) {
    for (const { first, saturated, steady, held } of repetition % 2 === 1 ? all : all.toReversed()) {
      say(`batching ${repetition}/${repetitions}, ${first} first`);
      await settle(shards);
      const result = await run(first, { inFlight: 32 });
      if (repetition === 0) continue; // V8 compiles hot code
      saturated.push(result);
      steady.push(await run(first, { perSecond }));
      const [holding] = await Promise.all([run(first, { perSecond }), hold(shards[0], (seconds * 1_000) / 2)]);
      held.push(holding);
    }
  }
  for (const shard of shards) {
    await discardQueuedMails(shard);
    await checkInvariants(shard, []);
  }
  return all;
}

/** Locks the accounts of a shard, as a migration or a fault could. */
async function hold(shard: Shard | undefined, afterMs: number): Promise<void> {
  const client = new pg.Client({ connectionString: shard?.url });
  await client.connect();
  await client.query('select pg_sleep($1)', [afterMs / 1_000]);
  await client.query(
    `begin; lock table billing.accounts in exclusive mode; select pg_sleep(${heldMs / 1_000}); commit`,
  );
  await client.end();
}
