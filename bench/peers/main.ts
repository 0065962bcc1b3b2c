import '../keys.ts';
import { newCustomers } from '../customers.ts';
import type { Load, Sent } from '../load.ts';
import { installPackages } from '../../test/support/install-packages.ts';
import { inspectMachine, readSettings, explainRejection } from '../machine.ts';
import { aboutMachine, aboutPostgres } from '../report.ts';
import { startWorker } from '../worker.ts';
import { openHarness, type Harness } from './harness.ts';
import { killInTheMiddle, takeTurn, type Scene } from './contest.ts';
import type { System } from './system.ts';
import { Absent } from './peer.ts';
import { readOptions, type Name } from './options.ts';
import { shopSystem } from './shop.ts';
import { aftermaths, remarks, speeds, writeJson, type Score } from './table.ts';

const options = readOptions(process.argv.slice(2));
const began = performance.now();
const print = (text: string) => process.stdout.write(`${text}\n`);
const say = (line: string) => {
  if (interrupted) return;
  process.stderr.write(`${((performance.now() - began) / 1_000).toFixed(0).padStart(4)} s  ${line}\n`);
};

// what runs for as long as the benchmark does, and the system on stage
const stops: (() => Promise<void>)[] = [];
let onStage: (() => Promise<void>) | undefined;
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void interrupt());

async function interrupt(): Promise<void> {
  if (interrupted) return;
  say('Stopping: everything that was started is ended.');
  interrupted = true;
  await onStage?.().catch(() => undefined);
  for (const stop of stops.toReversed()) await stop().catch(() => undefined);
  process.exit(130);
}

const machine = inspectMachine();
print(aboutMachine(machine));
try {
  installPackages(import.meta.dirname, say);
  await compete();
} catch (error) {
  if (!interrupted) process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}

async function compete(): Promise<void> {
  const harness = await openHarness();
  stops.push(() => harness.stop());
  const load = startWorker<Load, Sent>('load.ts');
  stops.push(async () => load.end());
  try {
    const postgres = await readSettings(harness);
    print(aboutPostgres(postgres));
    const reason = explainRejection(postgres);
    if (reason) throw new Error(reason);

    const scores: Score[] = options.names.map((name) => ({ name, guarantees: '', turns: [] }));
    const scene = { customers: newCustomers(10_000), load };
    for (let round = 1; round <= (options.kill ? 1 : options.rounds); round += 1) {
      // back and forth, so that none always comes after the same one
      for (const score of round % 2 === 1 ? scores : scores.toReversed()) {
        if (!(score.failure ?? score.absent)) await measure(score, round, harness, scene);
      }
    }
    if (!interrupted) finish(scores, postgres);
  } finally {
    if (!interrupted) for (const stop of stops.toReversed()) await stop();
  }
}

async function measure(
  score: Score,
  round: number,
  harness: Harness,
  { customers, load }: Pick<Scene, 'customers' | 'load'>,
): Promise<void> {
  const { name } = score;
  const scene: Scene = {
    customers,
    load,
    say: (line) => say(`${name} ${round}/${options.rounds}: ${line}`),
    onStop: (stop) => {
      onStage = stop;
    },
  };
  const system = keepingWords(systemOf(name as Name, harness), score);
  try {
    if (options.kill) {
      score.aftermath = await killInTheMiddle(system, scene);
      const { accepted, lost, stuck } = score.aftermath;
      say(`${name}: ${accepted} accepted, ${lost} lost, ${stuck} stuck`);
    } else {
      const turn = await takeTurn(system, options.seconds, scene);
      score.turns.push(turn);
      const { p50, p99 } = turn.endToEnd;
      scene.say(`${Math.round(turn.ordersPerSecond)} orders/s; at 100/s ${p50.toFixed(1)} / ${p99.toFixed(1)} ms`);
    }
  } catch (error) {
    if (error instanceof Absent) score.absent = error.message;
    else score.failure = error instanceof Error ? error.message : String(error);
    say(`${name} ${score.absent ? 'is left out' : 'FAILED'}: ${score.absent ?? score.failure}`);
  } finally {
    onStage = undefined;
  }
}

function systemOf(name: Name, harness: Harness): System {
  return name === 'shop' || name === 'shop-processes' ? shopSystem(name) : harness.system(name);
}

/** The same system; what it promises is noted once it runs. */
function keepingWords(system: System, score: Score): System {
  return {
    ...system,
    start: async (customers) => {
      const running = await system.start(customers);
      score.guarantees = running.guarantees;
      return running;
    },
  };
}

function finish(scores: Score[], postgres: object): void {
  print(options.kill ? aftermaths(scores) : speeds(scores));
  print('');
  print(remarks(scores));
  print(`\nwritten to ${writeJson({ options, machine, postgres, scores })}`);
  if (scores.some(({ failure }) => failure !== undefined)) process.exitCode = 1;
}
