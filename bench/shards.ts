import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import './keys.ts';
import { count, readCommandLine } from './command-line.ts';
import { newCustomers } from './customers.ts';
import { explainRejection, inspectMachine, readSettings } from './machine.ts';
import { describeMachine } from './report.ts';
import { compareBatching, type Batching } from './shards-compare.ts';
import {
  endSharded,
  measureIdle,
  measureSharded,
  startSharded,
  saturate,
  type Series,
  type Sharded,
} from './shards-measure.ts';
import { counts, inAll, paceOf, pacesOf } from './shards-plan.ts';
import { readStorage, startShards } from './shards-servers.ts';
import { describeBatching, describeShards } from './shards-table.ts';
import { openTerminal } from './terminal.ts';

const help = `Measures what an order costs on one, two and four shards: Postgres servers on this machine, customers assigned by a
hash of their id, the shop's functions unchanged, a set of them for each shard. Checks every shard after each run.

  npm run bench:shards                      about 12 minutes
  npm run bench:shards -- --seconds 10      duration of each run (6)
  npm run bench:shards -- --repetitions 5   repetitions of each run (3)

The table goes to standard output, progress to standard error, everything to reports/shards.json.
`;

const { seconds, repetitions } = readCommandLine(
  help,
  { seconds: { type: 'string' }, repetitions: { type: 'string' } } as const,
  (values) => ({
    seconds: count('seconds', values.seconds, 6),
    repetitions: count('repetitions', values.repetitions, 3),
  }),
);

const folder = mkdtempSync(path.join(tmpdir(), 'shop-shards-'));
const stops: (() => Promise<void> | void)[] = [() => rmSync(folder, { recursive: true, force: true })];
const stopAll = async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
};
const { print, say, isInterrupted } = openTerminal(stopAll);

try {
  const machine = inspectMachine();
  print(describeMachine(machine));
  const customers = newCustomers(4_000);
  const systems: Sharded[] = [];
  for (const shards of counts) {
    say(`start ${shards}`);
    systems.push(await start(shards, customers));
  }
  const few = await readStorage(systems[0]?.shards ?? []);
  const series = await measure(systems);
  const many = await readStorage(systems[0]?.shards ?? []);
  const storedBytes = (many.bytes - few.bytes) / (many.orders - few.orders);
  say('idle');
  const idle = await Promise.all(
    systems.map(async ({ shards }) => ({ shards: shards.length, cpuMsPerSecond: await measureIdle(shards, 10) })),
  );
  // their outboxes would publish the orders of the comparison, which has no events
  for (const system of systems) endSharded(system);
  const largest = systems.at(-1);
  const batching: Batching[] = largest
    ? await compareBatching(largest.shards, { repetitions, seconds, perSecond: inAll }, say, (stop) => stops.push(stop))
    : [];
  print(describeShards(series, idle, storedBytes));
  print(describeBatching(batching));
  const file = fileURLToPath(new URL('../reports/shards.json', import.meta.url));
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(
    file,
    `${JSON.stringify({ at: new Date().toISOString(), machine, series, idle, storedBytes, batching }, null, 2)}\n`,
  );
  print(`written to ${file}`);
} catch (error) {
  if (!isInterrupted()) process.stderr.write(`${(error as Error).stack}\n`);
  process.exitCode = 1;
} finally {
  if (!isInterrupted()) await stopAll();
}

async function start(count: number, customers: string[]): Promise<Sharded> {
  const shards = await startShards(count, customers, folder, (stop) => stops.push(stop));
  for (const shard of shards) {
    const reason = explainRejection(await readSettings(shard));
    if (reason) throw new Error(reason);
  }
  const sharded = await startSharded(shards, (stop) => stops.push(stop));
  for (const round of [1, 2]) {
    say(`${count}: warm-up ${round}`);
    await saturate(sharded, 5);
  }
  return sharded;
}

/** All numbers of shards in turn, so that a change of the machine meets all of them. */
async function measure(systems: Sharded[]): Promise<Series[]> {
  const series: Series[] = systems.flatMap(({ shards: { length: shards } }) =>
    pacesOf(shards).map((pace) => ({ shards, pace, runs: [] })),
  );
  for (let repetition = 1; repetition <= repetitions; repetition += 1) {
    for (const { shards, pace, runs } of repetition % 2 === 1 ? series : series.toReversed()) {
      const system = systems.find((one) => one.shards.length === shards) as Sharded;
      const run = await measureSharded(system, pace, seconds);
      runs.push(run);
      say(
        `${repetition}/${repetitions}, shards: ${shards}, ${paceOf(pace)}: ${run.ordersPerSecond.toFixed(0)} orders/s, ` +
          `CPU ms ${run.postgresCpuMs.toFixed(2)} + ${run.functionsCpuMs.toFixed(2)}, ` +
          `${run.commits.toFixed(2)} commits, ${run.walBytes.toFixed(0)} WAL bytes`,
      );
    }
  }
  return series;
}
