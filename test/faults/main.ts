import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { shareOf } from './kinds.ts';
import { readOptions, type LongOptions } from './options.ts';
import { runShortForm, startLongForm, type Running } from './run.ts';
import { isSound, tableOf, type Run } from './table.ts';

// npm run test:faults: the tests that break the shop. Their short form is one run of Jest; their long form repeats each
// kind with many seeds and ends with a table of the results.

const resultsFile = 'reports/faults.jsonl';
const say = (line: string) => void process.stdout.write(`${line}\n`);

const options = readOptions(process.argv.slice(2));
switch (options.form) {
  case 'short':
    process.exitCode = await runShortForm(options);
    break;
  case 'long':
    process.exitCode = await runLongForm(options);
    break;
  case 'sum':
    process.exitCode = showResults(readResults());
    break;
  default:
    options satisfies never;
}

function readResults(): Run[] {
  if (!existsSync(resultsFile)) return [];
  const lines = readFileSync(resultsFile, 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Run);
}

/** Runs the kinds one after the other; returns the exit code. */
async function runLongForm({ only, minutes, seed }: LongOptions): Promise<number> {
  const runs: Run[] = [];
  const skipped: string[] = [];
  let inFlight: Running | undefined;
  let stoppingSince: number | undefined;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (stoppingSince === undefined) say('\nFinishing the test in flight; press Ctrl-C again to stop at once.');
      // npm forwards the signal, so one Ctrl-C may arrive twice
      else if (Date.now() - stoppingSince > 500) inFlight?.kill();
      stoppingSince ??= Date.now();
      inFlight?.finish();
    });
  }

  mkdirSync('reports', { recursive: true });
  const began = Date.now();
  for (const [index, kind] of only.entries()) {
    if (stoppingSince !== undefined) break;
    const left = minutes && Math.max(minutes - (Date.now() - began) / 60_000, 0);
    const share = left === undefined ? undefined : shareOf(kind, only.slice(index + 1), left);
    if (left !== undefined && share === undefined) {
      skipped.push(`${kind.name} (takes ${kind.atLeastMinutes} minutes)`);
      continue;
    }
    const time = share === undefined ? '' : `, ${share.toFixed(1)} minutes`;
    say(`\n${kind.name}: ${kind.what} (${kind.file}, seed ${seed}${time})`);
    inFlight = startLongForm(kind, { seed, minutes: share, say });
    const run = await inFlight.done;
    runs.push(run);
    appendFileSync(resultsFile, `${JSON.stringify(run)}\n`);
  }
  return showResults(runs, skipped);
}

/** Prints the table and every failure with the command that repeats it; returns the exit code. */
function showResults(runs: Run[], skipped: string[] = []): number {
  say(`\n${tableOf(runs)}\n`);
  for (const { kind, seed, failures } of runs) {
    for (const failure of failures) {
      say(`  FAILED: ${failure}\n          npm run test:faults -- --only ${kind} --seed ${seed}`);
    }
  }
  if (skipped.length > 0) say(`Not run, because the time was too short: ${skipped.join(', ')}.`);
  const sound = isSound(runs);
  say(sound ? 'Nothing lost, done twice or stuck wherever the invariants were checked (–: not checked).' : 'FAILED');
  return sound ? 0 : 1;
}
