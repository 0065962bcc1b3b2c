import { setTimeout as sleep } from 'node:timers/promises';
import type { BaselineResult, BaselineRun } from './baseline.ts';
import { memoryOfFunctions, readCounters } from './costs.ts';
import { newCustomers, seed } from './customers.ts';
import type { Database, openDatabase } from './database.ts';
import { checkInvariants } from './invariants.ts';
import { startLoadGenerator, type LoadGenerator } from './load-generator.ts';
import { readSettings, explainRejection, type PostgresSettings } from './machine.ts';
import type { Mode, Options } from './options.ts';
import { compareReplicas, type Replicated } from './replicas.ts';
import { saturate, type Saturation } from './saturation.ts';
import { createBaselineDatabase, startAtRest, startTwice, type Shop, type Starts } from './shop.ts';
import { steady, type Steady } from './steady.ts';
import { openReader, storeOrders } from './stored.ts';
import { warmUp } from './warm-up.ts';
import { startWorker, type Worker } from './worker.ts';

/** The measurements of one mode; lists have one entry per repetition. */
export interface Measured {
  mode: Mode;
  starts: Starts[];
  /** Resident MB of each process that runs functions; with a process each, before the first order. */
  memoryAtStart: { name: string; mb: number }[];
  repetitions: Repetition[];
  /** All orders by one customer, so that every statement updates the same account. */
  hot?: Steady;
  /** A saturation with this many stored orders. */
  grown?: { stored: number; saturation: Saturation };
  /** With several processes of each function. */
  replicas?: Replicated[];
  soak?: Soak;
  /** Rates that were skipped because the shop does not reach them. */
  tooFast: number[];
  /** Why the measurement was aborted. */
  failure?: string;
}

/** Per minute of a soak: throughput, CPU ms per order of the functions and of Postgres, and memory of the functions. */
interface Soak {
  ordersPerSecond: number[];
  functionsCpuMs: number[];
  postgresCpuMs: number[];
  peakMb: number[];
}

interface Repetition {
  saturation: Saturation;
  single: Baseline;
  batched: Baseline;
  /** The same SQL at 100 orders per second: the latency that Postgres alone would have. */
  batchedAt100?: BaselineResult;
  steady: Steady[];
}

export interface Baseline extends BaselineResult {
  /** CPU ms of the server, per order. */
  postgresCpuMs: number;
}

/** Reports progress, and registers what an interruption has to stop. */
export interface Session {
  say(line: string): void;
  onStop(stop: () => Promise<void> | void): void;
  /** Called once a server runs. */
  onSettings(settings: PostgresSettings): void;
}

/** A problem that the operator has to fix before a measurement; one sentence. */
export class Refusal extends Error {}

const connections = 32;
// for the mails of a saturation; longer than send-notification/outgoing.ts holds them in memory
const timeoutMs = 30_000;
// long enough that a single stall of this machine, 100 ms and more, does not determine the p99
const secondsAt100 = 15;
// Close to saturation a queue grows, and the latency only reflects how long the load lasted.
const maxShareOfSaturation = 0.8;

/** Measures the shop in one mode on a new database, alternating with the baseline. */
export async function measure(mode: Mode, options: Options, session: Session): Promise<Measured> {
  const measured: Measured = { mode, starts: [], memoryAtStart: [], repetitions: [], tooFast: [] };
  let shop: Shop | undefined;
  try {
    const customers = newCustomers(10_000);
    shop = await start(measured, customers[0] ?? '', options, session);
    await measureRunning(shop, customers, measured, options, session);
    if (mode === 'processes' && !options.quick && options.soakMinutes === 0) {
      await shop.stop();
      measured.replicas = await compareReplicas({ connections, seconds: options.seconds, timeoutMs }, session);
    }
  } catch (error) {
    if (error instanceof Refusal) throw error;
    measured.failure = error instanceof Error ? error.message : String(error);
    session.say(`${mode} FAILED: ${measured.failure}`);
  } finally {
    await shop?.stop();
  }
  return measured;
}

async function start(measured: Measured, customer: string, options: Options, session: Session): Promise<Shop> {
  const times = options.quick ? 1 : options.repetitions;
  for (let time = 1; ; time += 1) {
    session.say(`${measured.mode}: start ${time}/${times}, on an empty folder and again`);
    const { shop, starts } = await startTwice(measured.mode, customer, (stop) => session.onStop(stop));
    measured.starts.push(starts);
    if (time < times) {
      await shop.stop();
      continue;
    }
    if (measured.mode === 'processes') await startAtRest(shop);
    measured.memoryAtStart = memoryOfFunctions(shop.pid).filter(({ name }) => name !== 'other');
    const settings = await readSettings(shop);
    session.onSettings(settings);
    const reason = explainRejection(settings);
    if (!reason) return shop;
    await shop.stop();
    throw new Refusal(reason);
  }
}

/** A running shop with the processes that measure it. */
interface Context {
  shop: Shop;
  baselineDatabase: ReturnType<typeof openDatabase>;
  load: LoadGenerator;
  baseline: Worker<BaselineRun, BaselineResult>;
  customers: string[];
  /** Ids of all accepted orders, for the invariants. */
  accepted: string[];
  say(line: string): void;
}

async function measureRunning(
  shop: Shop,
  customers: string[],
  measured: Measured,
  options: Options,
  session: Session,
): Promise<void> {
  const baselineDatabase = await createBaselineDatabase(shop);
  const load = startLoadGenerator();
  const env = { DATABASE_URL: baselineDatabase.url, DATABASE_POOL: String(connections) };
  const baseline = startWorker<BaselineRun, BaselineResult>('baseline.ts', env);
  session.onStop(() => load.end());
  session.onStop(() => baseline.end());
  const say = (line: string) => session.say(`${measured.mode}: ${line}`);
  const accepted: string[] = [];
  const context = { shop, baselineDatabase, load, baseline, customers, accepted, say };
  try {
    say('10,000 customers');
    await seed(baselineDatabase, customers);
    const rounds = options.quick ? 2 : 6;
    accepted.push(...(await warmUp({ shop, load, customers, connections, timeoutMs, rounds, say })));
    for (const mode of ['single', 'batched'] as const) {
      await baseline.call({ mode, pace: { inFlight: connections }, seconds: 1, customers });
    }
    if (options.soakMinutes > 0) {
      measured.soak = await soak(context, options.soakMinutes);
      return;
    }
    for (let time = 1; time <= options.repetitions; time += 1) {
      await repeat(context, `${time}/${options.repetitions}`, measured, options);
    }
    if (measured.mode === 'one process' && !options.quick) await measureWorstCases(context, measured, options);
  } finally {
    load.end();
    baseline.end();
    await baselineDatabase.close();
  }
}

async function repeat(context: Context, of: string, measured: Measured, options: Options): Promise<void> {
  const { shop, baselineDatabase, load, accepted, say } = context;
  const { quick, seconds, rates } = options;
  say(`saturation ${of}, ${connections} connections, ${seconds} s, and its mails`);
  const { saturation, accepted: ids } = await saturate(shop, load, { connections, seconds, timeoutMs });
  accepted.push(...ids);
  say(`saturation ${of}: ${Math.round(saturation.ordersPerSecond)} orders/s`);
  const single = await runBaseline(context, 'single', quick ? 2 : 3);
  const batched = await runBaseline(context, 'batched', quick ? 2 : 3);
  say(`baseline ${of}: ${Math.round(single.ordersPerSecond)} single, ${Math.round(batched.ordersPerSecond)} batched`);
  const reached = rates.filter((rate) => rate <= saturation.ordersPerSecond * maxShareOfSaturation);
  measured.tooFast.push(...rates.filter((rate) => !reached.includes(rate) && !measured.tooFast.includes(rate)));
  await vacuum(shop, baselineDatabase);
  const repetition: Repetition = { saturation, single, batched, steady: await measureRates(context, reached, quick) };
  if (!quick) {
    repetition.batchedAt100 = await context.baseline.call({
      mode: 'batched',
      pace: { perSecond: 100 },
      seconds: secondsAt100,
      customers: context.customers,
    });
  }
  measured.repetitions.push(repetition);
  say(`invariants ${of}`);
  await checkInvariants(shop, accepted);
  await checkInvariants(baselineDatabase, []);
}

/** All orders on one account, then a saturation with many stored orders. */
async function measureWorstCases(context: Context, measured: Measured, { stored, seconds }: Options): Promise<void> {
  const { shop, load, accepted, say } = context;
  say('100/s on one account');
  const hot = await steady(shop, load, { rate: 100, seconds: 6, alone: true });
  measured.hot = hot.steady;
  accepted.push(...hot.accepted);
  if (stored > 0) {
    const total = await storeOrders(shop, stored, (count) => say(`${count.toLocaleString('en')} orders stored`));
    say(`saturation with ${total.toLocaleString('en')} stored orders`);
    const grown = await saturate(shop, load, { connections, seconds, timeoutMs });
    measured.grown = { stored: total, saturation: grown.saturation };
    accepted.push(...grown.accepted);
  }
  say('invariants');
  await checkInvariants(shop, accepted);
}

/** Saturates the shop for minutes while a transaction stays open, so that Postgres can remove no dead rows. */
async function soak(context: Context, minutes: number): Promise<Soak> {
  const { shop, baselineDatabase, load, accepted, say } = context;
  const results: Soak = { ordersPerSecond: [], functionsCpuMs: [], postgresCpuMs: [], peakMb: [] };
  const closeReader = await openReader(shop);
  try {
    for (let minute = 1; minute <= minutes; minute += 1) {
      const one = await saturate(shop, load, { connections, seconds: 55, timeoutMs: 5_000 });
      accepted.push(...one.accepted);
      const { ordersPerSecond, peakMb, cost } = one.saturation;
      results.ordersPerSecond.push(ordersPerSecond);
      results.functionsCpuMs.push(cost.cpuMs.functions);
      results.postgresCpuMs.push(cost.cpuMs.postgres);
      results.peakMb.push(peakMb);
      say(
        `minute ${minute}/${minutes}: ${Math.round(ordersPerSecond)} orders/s, CPU ms per order: ` +
          `functions ${cost.cpuMs.functions.toFixed(2)}, Postgres ${cost.cpuMs.postgres.toFixed(2)}`,
      );
    }
  } finally {
    await closeReader();
  }
  await checkInvariants(shop, accepted);
  await checkInvariants(baselineDatabase, []);
  return results;
}

/** As pgbench does before each run: at a fixed rate, Postgres then cleans up only after the orders of that rate. */
async function vacuum(...databases: Database[]): Promise<void> {
  for (const database of databases) await database.sql('vacuum (analyze)');
  await databases[0]?.sql('checkpoint');
  await sleep(3_000); // the disk is still writing what it has confirmed
}

async function measureRates(
  { shop, load, accepted, say }: Context,
  rates: number[],
  quick: boolean,
): Promise<Steady[]> {
  const results: Steady[] = [];
  for (const rate of rates) {
    const seconds = rate !== 100 ? 4 : quick ? 6 : secondsAt100;
    const { steady: result, accepted: ids } = await steady(shop, load, { rate, seconds });
    accepted.push(...ids);
    results.push(result);
    say(`${rate}/s: end to end p50 ${result.endToEnd.p50.toFixed(1)} ms, p99 ${result.endToEnd.p99.toFixed(1)} ms`);
  }
  return results;
}

async function runBaseline(
  { shop, baseline, customers }: Context,
  mode: BaselineRun['mode'],
  seconds: number,
): Promise<Baseline> {
  const before = await readCounters(shop);
  const result = await baseline.call({ mode, pace: { inFlight: connections }, seconds, customers });
  const { cpuMs } = await readCounters(shop);
  return { ...result, postgresCpuMs: (cpuMs.postgres - before.cpuMs.postgres) / result.orders };
}
