import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Result } from '#test/support/sizes.ts';
import type { Kind } from './kinds.ts';
import type { Run } from './table.ts';

export interface RunOptions {
  seed: number;
  /** About how long it may take with its start and its end; as long as it takes without it. */
  minutes: number | undefined;
  say(line: string): void;
}

/** A run that is under way. */
export interface Running {
  done: Promise<Run>;
  /** Lets it finish what it is in the middle of. */
  finish(): void;
  /** Ends it at once; its shops end with it. */
  kill(): void;
}

// starting Jest, Postgres and a shop, and ending them
const aroundMinutes = 0.3;
const timeoutMinutes = 4;
const heartbeatMs = 20_000;
// the first failure with its seed comes first
const maxSaid = 12_000;

/** Runs the long form of a kind. */
export function start({ name: kind, file }: Kind, { seed, minutes, say }: RunOptions): Running {
  const folder = mkdtempSync(path.join(tmpdir(), 'shop-faults-'));
  const [results, stop, report] = ['results.jsonl', 'stop', 'jest.json'].map((name) => path.join(folder, name));
  if (!results || !stop || !report) throw new Error('three files');
  const jest = path.join('node_modules', 'jest', 'bin', 'jest.js');
  const child = spawn(
    process.execPath,
    // forced, or a forgotten timer would keep it
    ['--experimental-vm-modules', '--no-warnings', jest, file, '--json', '--outputFile', report, '--forceExit'],
    {
      env: {
        ...process.env,
        FAULTS: 'long',
        FIRST_SEED: String(seed),
        FAULTS_RESULTS: results,
        FAULTS_STOP: stop,
        ...(minutes !== undefined && { FAULTS_MINUTES: String(Math.max(minutes - aroundMinutes, 0.1)) }),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // Ctrl-C reaches this process alone, which then decides
    },
  );
  const errors = watch(child, say);
  const kill = () => void (child.exitCode === null && child.pid && process.kill(-child.pid, 'SIGKILL'));
  const hung = minutes && setTimeout(kill, (minutes + timeoutMinutes) * 60_000);
  const done = once(child, 'exit').then(([code]) => {
    clearTimeout(hung);
    const lines = existsSync(results) ? readFileSync(results, 'utf8').trim().split('\n') : [];
    const failures = existsSync(report) ? failed(report) : [`${file} did not end by itself`];
    if (code !== 0 && failures.length === 0) failures.push(`${file} ended with ${code}`);
    if (failures.length > 0) say(errors());
    rmSync(folder, { recursive: true });
    return { kind, seed, results: lines.filter(Boolean).map((line) => JSON.parse(line) as Result), failures };
  });
  return { done, finish: () => writeFileSync(stop, ''), kill };
}

interface JestReport {
  testResults: { name: string; status: string; message: string; assertionResults: Assertion[] }[];
}

interface Assertion {
  fullName: string;
  status: string;
}

/** The tests that failed; a file that could not be run is one. */
function failed(report: string): string[] {
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as JestReport;
  return testResults.flatMap(({ name, status, message, assertionResults }) => {
    const names = assertionResults.filter((test) => test.status === 'failed').map(({ fullName }) => fullName);
    return names.length > 0 || status !== 'failed' ? names : [`${path.basename(name)}: ${message.split('\n')[0]}`];
  });
}

/** Passes on what the tests report, and shows signs of life while they report nothing; gives what was said on stderr. */
function watch(child: ChildProcess, say: (line: string) => void): () => string {
  const began = Date.now();
  let [last, errors, rest] = [began, '', ''];
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines.filter((one) => one.startsWith('    '))) {
      last = Date.now();
      say(line);
    }
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(0, maxSaid);
  });
  const beat = async () => {
    while (child.exitCode === null && child.signalCode === null) {
      await wait(1_000, undefined, { ref: false });
      if (Date.now() - last < heartbeatMs) continue;
      last = Date.now();
      say(`    … for ${Math.round((last - began) / 1_000)} s`);
    }
  };
  void beat();
  return () => errors;
}
