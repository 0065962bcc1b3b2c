import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { shareOf } from './kinds.ts';
import { readOptions } from './options.ts';
import { start, type Running } from './run.ts';
import { isSound, tableOf, type Run } from './table.ts';

// npm run test:faults: the tests that break the shop, in their long form, and a table of what came of it.

const kept = 'reports/faults.jsonl';
const say = (line: string) => void process.stdout.write(`${line}\n`);

const { only, minutes, seed, sum } = readOptions(process.argv.slice(2));
if (sum) end(existsSync(kept) ? readFileSync(kept, 'utf8').trim().split('\n').map(parsed) : [], []);

const runs: Run[] = [];
const skipped: string[] = [];
let inFlight: Running | undefined;
let stoppingSince: number | undefined;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (stoppingSince === undefined) say('\nFinishing what is under way; once more ends it at once.');
    // one Ctrl-C may come twice: npm passes it on
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
  inFlight = start(kind, { seed, minutes: share, say });
  const run = await inFlight.done;
  runs.push(run);
  appendFileSync(kept, `${JSON.stringify(run)}\n`);
}
end(runs, skipped);

function parsed(line: string): Run {
  return JSON.parse(line) as Run;
}

function end(all: Run[], skipped: string[]): never {
  say(`\n${tableOf(all)}\n`);
  const failures = all.flatMap(({ kind, seed: from, failures: its }) =>
    its.map((failure) => `  FAILED: ${failure}\n          npm run test:faults -- --only ${kind} --seed ${from}`),
  );
  for (const failure of failures) say(failure);
  if (skipped.length > 0) say(`Not run, for want of time: ${skipped.join(', ')}.`);
  const sound = isSound(all);
  say(
    sound ? 'Nothing was lost, done twice or left undecided where it was looked for (– where it was not).' : 'FAILED',
  );
  return process.exit(sound ? 0 : 1);
}
