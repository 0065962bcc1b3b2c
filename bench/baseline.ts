import { batch } from '#platform/database/batch.ts';
import { createClock } from '#platform/database/clock.ts';
import { createDatabase } from '#platform/database/database.ts';
import { atPace, type Pace } from './pace.ts';
import { latency, type Latency } from './statistics.ts';
import { place, steps, type MakeStep, type Run } from './steps.ts';
import { serveRequests } from './worker.ts';

/** A run of the functions' own SQL statements, without HTTP, tokens, events or mails. */
export interface BaselineRun {
  /** `single`: one order per statement and commit. `batched`: all waiting orders per statement, as in the functions. */
  mode: 'single' | 'batched';
  pace: Pace;
  seconds: number;
  customers: string[];
}

export interface BaselineResult extends Latency {
  orders: number;
  ordersPerSecond: number;
  statementsPerOrder: number;
  /** CPU time of this process. */
  cpuMsPerOrder: number;
}

const database = createDatabase({ name: 'baseline', clock: createClock() });
let statements = 0;

serveRequests<BaselineRun, BaselineResult>(async ({ mode, pace, seconds, customers }) => {
  const run = steps(stepOf(mode));
  const took: number[] = [];
  const began = performance.now();
  const cpu = process.cpuUsage();
  statements = 0;
  const order = async (at: number) => {
    await place(run, customers[Math.floor(Math.random() * customers.length)] ?? '');
    took.push(performance.now() - at);
  };
  await atPace(pace, seconds, order);
  const { user, system } = process.cpuUsage(cpu);
  return {
    orders: took.length,
    ordersPerSecond: took.length / ((performance.now() - began) / 1_000),
    statementsPerOrder: statements / took.length,
    cpuMsPerOrder: (user + system) / 1_000 / took.length,
    ...latency(took),
  };
});

function stepOf(mode: BaselineRun['mode']): MakeStep {
  return <Item>(key: (item: Item) => string, run: Run<Item>) => {
    const counted = async (items: Item[]) => {
      statements += 1;
      const rows = await run(database, items);
      if (rows.length !== items.length) throw new Error(`${items.length} orders returned ${rows.length} rows`);
      return rows;
    };
    return mode === 'single' ? (item: Item) => counted([item]) : batch<Item, object>({ key, run: counted });
  };
}
