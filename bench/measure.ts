import { memoryOfFunctions } from './costs.ts';
import { newCustomers, seed } from './customers.ts';
import type { Load, Sent } from './load.ts';
import { readSettings, whyNot, type PostgresSettings } from './machine.ts';
import type { Mode, Options } from './options.ts';
import { completed, mailed } from './orders.ts';
import { saturate, type Saturation } from './saturation.ts';
import { databaseBeside, startTwice, type Shop, type Starts } from './shop.ts';
import { checkSound } from './sound.ts';
import { steady, type Steady } from './steady.ts';
import { startWorker } from './worker.ts';
import type { Drive, Driven } from './yardstick.ts';

/** What was measured of one mode; lists have an entry a repetition. */
export interface Measured {
  mode: Mode;
  starts: Starts[];
  /** Resident memory of each process that runs functions, before the first order, in MB. */
  memoryAtStart: { name: string; mb: number }[];
  repetitions: Repetition[];
  /** Rates that were left out, because the shop does not reach them. */
  tooFast: number[];
  /** Why it broke off, if it did. */
  failure?: string;
}

interface Repetition {
  saturation: Saturation;
  single: Driven;
  batched: Driven;
  steady: Steady[];
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

/** Measures the shop in one mode, on a fresh database, alternating with the yardstick. */
export async function measure(mode: Mode, options: Options, session: Session): Promise<Measured> {
  const measured: Measured = { mode, starts: [], memoryAtStart: [], repetitions: [], tooFast: [] };
  let shop: Shop | undefined;
  try {
    const customers = newCustomers(10_000);
    shop = await start(measured, customers[0] ?? '', options, session);
    await measureRunning(shop, customers, measured, options, session);
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
    measured.memoryAtStart = memoryOfFunctions(shop.pid).filter(({ name }) => name !== 'other');
    const settings = await readSettings(shop);
    session.onSettings(settings);
    const reason = whyNot(settings);
    if (!reason) return shop;
    await shop.stop();
    throw new Refusal(reason);
  }
}

async function measureRunning(
  shop: Shop,
  customers: string[],
  measured: Measured,
  { quick, repetitions, seconds, rates }: Options,
  session: Session,
): Promise<void> {
  const say = (line: string) => session.say(`${measured.mode}: ${line}`);
  const patienceMs = quick ? 15_000 : 75_000;
  say('10,000 customers, and the warm-up');
  const beside = await databaseBeside(shop);
  await Promise.all([seed(shop, customers), seed(beside, customers)]);
  const load = startWorker<Load, Sent>('load.ts');
  const yardstick = startWorker<Drive, Driven>('yardstick.ts', {
    DATABASE_URL: beside.url,
    DATABASE_POOL: String(connections),
  });
  session.onStop(() => load.end());
  session.onStop(() => yardstick.end());
  try {
    await load.ask({ do: 'begin', url: shop.url, customers });
    const accepted = (await load.ask({ do: 'saturate', connections, seconds: 3 })).accepted.map(({ id }) => id);
    await completed(shop);
    await mailed(shop, patienceMs);
    for (const how of ['single', 'batched'] as const) {
      await yardstick.ask({ how, inFlight: connections, seconds: 1, customers });
    }
    for (let time = 1; time <= repetitions; time += 1) {
      const of = `${time}/${repetitions}`;
      say(`saturation ${of}, ${connections} connections, ${seconds} s`);
      const saturated = await saturate(shop, load, { connections, seconds, patienceMs });
      accepted.push(...saturated.accepted);
      say(`saturation ${of}: ${Math.round(saturated.saturation.ordersPerSecond)} orders/s`);
      say(`yardstick ${of}`);
      const drive = { inFlight: connections, seconds: quick ? 2 : 3, customers };
      const single = await yardstick.ask({ how: 'single', ...drive });
      const batched = await yardstick.ask({ how: 'batched', ...drive });
      say(
        `yardstick ${of}: ${Math.round(single.ordersPerSecond)} single, ${Math.round(batched.ordersPerSecond)} batched`,
      );
      const steadies = await atRates(saturated.saturation.ordersPerSecond);
      measured.repetitions.push({ saturation: saturated.saturation, single, batched, steady: steadies });
      say(`invariants ${of}`);
      await checkSound(shop, accepted);
      await checkSound(beside, []);
    }

    async function atRates(capacity: number): Promise<Steady[]> {
      const found: Steady[] = [];
      for (const rate of rates) {
        // near to what it can do, a queue grows, and the latency says only for how long the rate was kept up
        if (rate > capacity * 0.8) {
          if (!measured.tooFast.includes(rate)) measured.tooFast.push(rate);
          continue;
        }
        const at = await steady(shop, load, { rate, seconds: rate === 100 ? 6 : 4 });
        accepted.push(...at.accepted);
        found.push(at.steady);
        const { endToEnd } = at.steady;
        say(`${rate}/s: end to end p50 ${endToEnd.p50.toFixed(1)} ms, p99 ${endToEnd.p99.toFixed(1)} ms`);
      }
      return found;
    }
  } finally {
    load.end();
    yardstick.end();
    await beside.close();
  }
}
