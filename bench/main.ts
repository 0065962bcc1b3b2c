import { spawn } from 'node:child_process';
import { once } from 'node:events';
import './keys.ts';
import { inspectMachine, type PostgresSettings } from './machine.ts';
import { measure, Refusal, type Measured, type Session } from './measure.ts';
import { readOptions } from './options.ts';
import { aboutMachine, aboutPostgres, describe, notes, writeJson } from './report.ts';

const options = readOptions(process.argv.slice(2));
const began = performance.now();
const print = (text: string) => process.stdout.write(`${text}\n`);
const say = (line: string) =>
  process.stderr.write(`${((performance.now() - began) / 1_000).toFixed(0).padStart(4)} s  ${line}\n`);

const stops: (() => Promise<void> | void)[] = [];
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void interrupt());

async function interrupt(): Promise<void> {
  if (interrupted) return;
  interrupted = true;
  say('Stopping: everything that was started is ended.');
  await Promise.allSettled(stops.toReversed().map(async (stop) => stop()));
  process.exit(130);
}

const machine = inspectMachine();
print(aboutMachine(machine));

let postgres: PostgresSettings | undefined;
const session: Session = {
  say: (line) => {
    if (!interrupted) say(line);
  },
  onStop: (stop) => stops.push(stop),
  onSettings: (settings) => {
    if (!postgres) print(aboutPostgres(settings));
    postgres = settings;
  },
};

try {
  const modes: Measured[] = [];
  for (const mode of options.modes) {
    modes.push(await measure(mode, options, session));
    stops.length = 0;
  }
  if (!interrupted) finish(modes);
  if (!interrupted && options.peers) await measurePeers();
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}

function finish(modes: Measured[]): void {
  for (const measured of modes) print(describe(measured));
  print(notes);
  print(`written to ${writeJson({ options, machine, postgres, modes })}`);
  if (modes.some(({ failure }) => failure !== undefined)) process.exitCode = 1;
}

/** They have a program of their own, because their packages are no part of this install. */
async function measurePeers(): Promise<void> {
  say('the other systems beside the shop (npm run bench:peers)');
  const peers = spawn(process.execPath, [...process.execArgv, 'bench/peers/main.ts'], { stdio: 'inherit' });
  const ended = once(peers, 'exit');
  stops.push(async () => {
    peers.kill('SIGTERM');
    await ended;
  });
  const [code] = (await ended) as [number | null];
  if (code !== 0) process.exitCode = 1;
}
