import { setTimeout as sleep } from 'node:timers/promises';
import { memoryOfFunctions, readCounters } from './costs.ts';
import { newCustomers, seed } from './customers.ts';
import type { Load, Sent } from './load.ts';
import { readSettings, explainRejection, type PostgresSettings } from './machine.ts';
import type { Mode, Options } from './options.ts';
import { compareReplicas, type Replicated } from './replicas.ts';
import { saturate, type Saturation } from './saturation.ts';
import { databaseAlongside, startAtRest, startTwice, type Database, type Shop, type Starts } from './shop.ts';
import { checkSound } from './sound.ts';
import { steady, type Steady } from './steady.ts';
import { openReader, storeOrders } from './stored.ts';
import { warmUp } from './warm-up.ts';
import { startWorker, type Worker } from './worker.ts';
import type { Drive, Driven } from './baseline.ts';

/** What was measured of one mode; lists have an entry a repetition. */
export interface Measured {
  mode: Mode;
  starts: Starts[];
  /** Resident MB of each process that runs functions; with a process each, before the first order. */
  memoryAtStart: { name: string; mb: number }[];
  repetitions: Repetition[];
  /** All orders of one customer, whose account then is in every statement. */
  hot?: Steady;
  /** The last saturation, beside so many orders from before. */
  grown?: { stored: number; saturation: Saturation };
  /** With more processes of each function. */
  replicas?: Replicated[];
  soak?: Soak;
  /** Rates that were left out, because the shop does not reach them. */
  tooFast: number[];
  /** Why it broke off, if it did. */
  failure?: string;
}

/** What each minute of a soak gave, and cost an order: in ms of the functions and of Postgres. */
interface Soak {
  ordersPerSecond: number[];
  functionsCpuMs: number[];
  postgresCpuMs: number[];
  /** Memory of the functions. */
  maxMb: number[];
}

interface Repetition {
  saturation: Saturation;
  single: Baseline;
  batched: Baseline;
  /** The same SQL at 100 orders a second: how soon an order could be told of, were there nothing but Postgres. */
  batchedAt100?: Driven;
  steady: Steady[];
}

/** What driving the rooms' statements gave, and what it cost the server, an order. */
export interface Baseline extends Driven {
  postgresCpuMs: number;
}

/** How the benchmark tells of its progress, and what has to be ended if it is interrupted. */
export interface Session {
  say(line: string): void;
  onStop(stop: () => Promise<void> | void): void;
  /** Called once a server runs; throws if it is not worth measuring. */
  onSettings(settings: PostgresSettings): void;
}

/** Something that the operator has to change first; one sentence. */
export class Refusal extends Error {}

const connections = 32;
// for the mails of a saturation; longer than they are kept in memory (send-notification/outgoing.ts)
const timeoutMs = 30_000;
// a stall of this machine takes 100 ms and more: the slowest of a hundred has to be one of many
const secondsAt100 = 15;
// Near to what the shop can do a queue grows, and the latency says only for how long the rate was kept up.
const keptUp = 0.8;

/** Measures the shop in one mode, on a fresh database, alternating with the baseline. */
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

/** A running shop with what measures it. */
interface Scene {
  shop: Shop;
  beside: Database & { url: string };
  load: Worker<Load, Sent>;
  baseline: Worker<Drive, Driven>;
  customers: string[];
  /** Ids of all orders that were accepted, for the invariants. */
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
  const beside = await databaseAlongside(shop);
  const load = startWorker<Load, Sent>('load.ts');
  const env = { DATABASE_URL: beside.url, DATABASE_POOL: String(connections) };
  const baseline = startWorker<Drive, Driven>('baseline.ts', env);
  session.onStop(() => load.end());
  session.onStop(() => baseline.end());
  const say = (line: string) => session.say(`${measured.mode}: ${line}`);
  const accepted: string[] = [];
  const scene = { shop, beside, load, baseline, customers, accepted, say };
  try {
    say('10,000 customers');
    await seed(beside, customers);
    const rounds = options.quick ? 2 : 6;
    accepted.push(...(await warmUp({ shop, load, customers, connections, timeoutMs, rounds, say })));
    for (const how of ['single', 'batched'] as const) {
      await baseline.ask({ how, pace: { inFlight: connections }, seconds: 1, customers });
    }
    if (options.soakMinutes > 0) {
      measured.soak = await soak(scene, options.soakMinutes);
      return;
    }
    for (let time = 1; time <= options.repetitions; time += 1) {
      await repeat(scene, `${time}/${options.repetitions}`, measured, options);
    }
    if (measured.mode === 'one process' && !options.quick) await atItsHardest(scene, measured, options);
  } finally {
    load.end();
    baseline.end();
    await beside.close();
  }
}

async function repeat(scene: Scene, of: string, measured: Measured, options: Options): Promise<void> {
  const { shop, beside, load, accepted, say } = scene;
  const { quick, seconds, rates } = options;
  say(`saturation ${of}, ${connections} connections, ${seconds} s, and its mails`);
  const { saturation, accepted: ids } = await saturate(shop, load, { connections, seconds, timeoutMs });
  accepted.push(...ids);
  say(`saturation ${of}: ${Math.round(saturation.ordersPerSecond)} orders/s`);
  const single = await drive(scene, 'single', quick ? 2 : 3);
  const batched = await drive(scene, 'batched', quick ? 2 : 3);
  say(`baseline ${of}: ${Math.round(single.ordersPerSecond)} single, ${Math.round(batched.ordersPerSecond)} batched`);
  const reached = rates.filter((rate) => rate <= saturation.ordersPerSecond * keptUp);
  measured.tooFast.push(...rates.filter((rate) => !reached.includes(rate) && !measured.tooFast.includes(rate)));
  await tidyUp(shop, beside);
  const repetition: Repetition = { saturation, single, batched, steady: await atRates(scene, reached, quick) };
  if (!quick) {
    const pace = { perSecond: 100 };
    repetition.batchedAt100 = await scene.baseline.ask({
      how: 'batched',
      pace,
      seconds: secondsAt100,
      customers: scene.customers,
    });
  }
  measured.repetitions.push(repetition);
  say(`invariants ${of}`);
  await checkSound(shop, accepted);
  await checkSound(beside, []);
}

/** All orders on one account, and beside many orders from before. */
async function atItsHardest(scene: Scene, measured: Measured, { stored, seconds }: Options): Promise<void> {
  const { shop, load, accepted, say } = scene;
  say('100/s on one account');
  const hot = await steady(shop, load, { rate: 100, seconds: 6, alone: true });
  measured.hot = hot.steady;
  accepted.push(...hot.accepted);
  if (stored > 0) {
    const there = await storeOrders(shop, stored, (count) => say(`${count.toLocaleString('en')} orders stored`));
    say(`saturation beside ${there.toLocaleString('en')} orders`);
    const grown = await saturate(shop, load, { connections, seconds, timeoutMs });
    measured.grown = { stored: there, saturation: grown.saturation };
    accepted.push(...grown.accepted);
  }
  say('invariants');
  await checkSound(shop, accepted);
}

/** Saturation for minutes, while somebody reads in a transaction that stays open: nothing old can be cleaned up. */
async function soak({ shop, beside, load, accepted, say }: Scene, minutes: number): Promise<Soak> {
  const found: Soak = { ordersPerSecond: [], functionsCpuMs: [], postgresCpuMs: [], maxMb: [] };
  const end = await openReader(shop);
  try {
    for (let minute = 1; minute <= minutes; minute += 1) {
      const one = await saturate(shop, load, { connections, seconds: 55, timeoutMs: 5_000 });
      accepted.push(...one.accepted);
      const { ordersPerSecond, maxMb, cost } = one.saturation;
      found.ordersPerSecond.push(ordersPerSecond);
      found.functionsCpuMs.push(cost.cpuMs.functions);
      found.postgresCpuMs.push(cost.cpuMs.postgres);
      found.maxMb.push(maxMb);
      say(
        `minute ${minute}/${minutes}: ${Math.round(ordersPerSecond)} orders/s, CPU ms an order: ` +
          `functions ${cost.cpuMs.functions.toFixed(2)}, Postgres ${cost.cpuMs.postgres.toFixed(2)}`,
      );
    }
  } finally {
    await end();
  }
  await checkSound(shop, accepted);
  await checkSound(beside, []);
  return found;
}

/** As pgbench does before each run: at a fixed rate Postgres cleans up after that rate, not after what came before. */
async function tidyUp(...databases: Database[]): Promise<void> {
  for (const database of databases) await database.sql('vacuum (analyze)');
  await databases[0]?.sql('checkpoint');
  await sleep(3_000); // the disk has taken it, but is still writing
}

async function atRates({ shop, load, accepted, say }: Scene, rates: number[], quick: boolean): Promise<Steady[]> {
  const found: Steady[] = [];
  for (const rate of rates) {
    const seconds = rate !== 100 ? 4 : quick ? 6 : secondsAt100;
    const { steady: at, accepted: ids } = await steady(shop, load, { rate, seconds });
    accepted.push(...ids);
    found.push(at);
    say(`${rate}/s: end to end p50 ${at.endToEnd.p50.toFixed(1)} ms, p99 ${at.endToEnd.p99.toFixed(1)} ms`);
  }
  return found;
}

async function drive({ shop, baseline, customers }: Scene, how: Drive['how'], seconds: number): Promise<Baseline> {
  const before = await readCounters(shop);
  const driven = await baseline.ask({ how, pace: { inFlight: connections }, seconds, customers });
  const { cpuMs } = await readCounters(shop);
  return { ...driven, postgresCpuMs: (cpuMs.postgres - before.cpuMs.postgres) / driven.orders };
}
