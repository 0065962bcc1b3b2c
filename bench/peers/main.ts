import '../keys.ts';
import { installPackages } from '../../test/support/install-packages.ts';
import { newCustomers } from '../customers.ts';
import { startLoadGenerator, type LoadGenerator } from '../load-generator.ts';
import { inspectMachine, readSettings, explainRejection } from '../machine.ts';
import { describeMachine, describePostgres } from '../report.ts';
import { openTerminal } from '../terminal.ts';
import { openHarness, type Harness } from './harness.ts';
import { measurePerformance, measureRecovery } from './measure.ts';
import { readOptions, type Name } from './options.ts';
import { shopSystem } from './shop.ts';
import { Unavailable, type System } from './system.ts';
import { performanceTable, problems, recoveryTable, writeJson, type SystemResult } from './table.ts';

const options = readOptions();

// what runs as long as the benchmark, and the system that is being measured
const stops: (() => Promise<void>)[] = [];
let stopSystem: (() => Promise<void>) | undefined;
const { print, say, isInterrupted } = openTerminal(async () => {
  await stopSystem?.().catch(() => undefined);
  for (const stop of stops.toReversed()) await stop().catch(() => undefined);
});

const machine = inspectMachine();
print(describeMachine(machine));
try {
  installPackages(import.meta.dirname, say);
  await measureAll();
} catch (error) {
  if (!isInterrupted()) process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}

async function measureAll(): Promise<void> {
  const harness = await openHarness();
  stops.push(() => harness.stop());
  const load = startLoadGenerator();
  stops.push(async () => load.end());
  try {
    const postgres = await readSettings(harness);
    print(describePostgres(postgres));
    const reason = explainRejection(postgres);
    if (reason) throw new Error(reason);

    const results: SystemResult[] = options.names.map((name) => ({ name, rounds: [] }));
    const customers = newCustomers(10_000);
    for (let round = 1; round <= (options.kill ? 1 : options.rounds); round += 1) {
      // alternating direction, so that no system always runs after the same one
      for (const result of round % 2 === 1 ? results : results.toReversed()) {
        if (!(result.failure ?? result.unavailable)) await measure(result, round, harness, { customers, load });
      }
    }
    if (!isInterrupted()) report(results, postgres);
  } finally {
    if (!isInterrupted()) for (const stop of stops.toReversed()) await stop();
  }
}

async function measure(
  result: SystemResult,
  round: number,
  harness: Harness,
  shared: { customers: string[]; load: LoadGenerator },
): Promise<void> {
  const { name } = result;
  const context = {
    ...shared,
    say: (line: string) => say(`${name} ${round}/${options.rounds}: ${line}`),
    onStop: (stop: () => Promise<void>) => {
      stopSystem = stop;
    },
  };
  try {
    if (options.kill) {
      result.recovery = await measureRecovery(systemOf(name as Name, harness), context);
      const { accepted, lost, stuck } = result.recovery;
      say(`${name}: ${accepted} accepted, ${lost} lost, ${stuck} stuck`);
    } else {
      const one = await measurePerformance(systemOf(name as Name, harness), options.seconds, context);
      result.rounds.push(one);
      const { p50, p99 } = one.endToEnd;
      context.say(`${Math.round(one.ordersPerSecond)} orders/s; at 100/s ${p50.toFixed(1)} / ${p99.toFixed(1)} ms`);
    }
  } catch (error) {
    if (error instanceof Unavailable) result.unavailable = error.message;
    else result.failure = error instanceof Error ? error.message : String(error);
    say(`${name} ${result.unavailable ? 'skipped' : 'FAILED'}: ${result.unavailable ?? result.failure}`);
  } finally {
    stopSystem = undefined;
  }
}

function systemOf(name: Name, harness: Harness): System {
  return name === 'shop' || name === 'shop-processes' ? shopSystem(name) : harness.system(name);
}

function report(results: SystemResult[], postgres: object): void {
  print(options.kill ? recoveryTable(results) : performanceTable(results));
  print(problems(results));
  print(`\nwritten to ${writeJson({ options, machine, postgres, results })}`);
  if (results.some(({ failure }) => failure !== undefined)) process.exitCode = 1;
}
