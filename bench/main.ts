import { spawn } from 'node:child_process';
import { once } from 'node:events';
import './keys.ts';
import { inspectMachine, type PostgresSettings } from './machine.ts';
import { measure, Refusal, type Measured, type Session } from './measure.ts';
import { readOptions } from './options.ts';
import { describe, describeMachine, describePostgres, notes, writeJson } from './report.ts';
import { openTerminal } from './terminal.ts';

const options = readOptions();
const stops: (() => Promise<void> | void)[] = [];
const { print, say, isInterrupted } = openTerminal(() =>
  Promise.allSettled(stops.toReversed().map(async (stop) => stop())),
);

const machine = inspectMachine();
print(describeMachine(machine));

let postgres: PostgresSettings | undefined;
const session: Session = {
  say,
  onStop: (stop) => stops.push(stop),
  onSettings: (settings) => {
    if (!postgres) print(describePostgres(settings));
    postgres = settings;
  },
};

try {
  const modes: Measured[] = [];
  for (const mode of options.modes) {
    modes.push(await measure(mode, options, session));
    stops.length = 0;
  }
  if (!isInterrupted()) report(modes);
  if (!isInterrupted() && options.peers) await measurePeers();
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}

function report(modes: Measured[]): void {
  for (const measured of modes) print(describe(measured));
  print(notes);
  print(`written to ${writeJson({ options, machine, postgres, modes })}`);
  if (modes.some(({ failure }) => failure !== undefined)) process.exitCode = 1;
}

/** Runs them as a separate program: their packages are not part of this install. */
async function measurePeers(): Promise<void> {
  say('the other systems (npm run bench:peers)');
  const peers = spawn(process.execPath, [...process.execArgv, 'bench/peers/main.ts'], { stdio: 'inherit' });
  const exited = once(peers, 'exit');
  stops.push(async () => {
    peers.kill('SIGTERM');
    await exited;
  });
  const [code] = (await exited) as [number | null];
  if (code !== 0) process.exitCode = 1;
}
