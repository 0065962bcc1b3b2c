import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Result } from '#test/support/sizes.ts';
import type { Kind } from './kinds.ts';
import type { ShortOptions } from './options.ts';
import type { Run } from './table.ts';

const jest = [
  ...['--experimental-vm-modules', '--no-warnings'],
  path.join('node_modules', 'jest', 'bin', 'jest.js'),
  '--config',
];

/** Runs the tests of test/faults that match, or all of them, in one run of Jest; resolves with its exit code. */
export async function runShortForm({ patterns, testName }: ShortOptions): Promise<number> {
  const selected = [...patterns, ...(testName === undefined ? [] : ['--testNamePattern', testName])];
  const args = [...jest, path.join('test', 'faults', 'jest.config.js'), ...selected];
  const child = spawn(process.execPath, args, { stdio: 'inherit' });
  // Ctrl-C reaches Jest as well; this process outlives it to pass on its exit code
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

export interface LongFormOptions {
  seed: number;
  /** How long it may take, start and end included; unlimited if undefined. */
  minutes: number | undefined;
  say(line: string): void;
}

/** A run in flight. */
export interface Running {
  done: Promise<Run>;
  /** Lets it finish the round in flight. */
  finish(): void;
  /** Ends it at once, and its shops with it. */
  kill(): void;
}

// to start and end Jest, Postgres and a shop
const overheadMinutes = 0.3;
const timeoutMinutes = 4;
const heartbeatMs = 20_000;
// the first failure with its seed comes first
const maxErrorLength = 12_000;

/** Starts the long form of a kind. */
export function startLongForm({ name: kind, file }: Kind, { seed, minutes, say }: LongFormOptions): Running {
  const folder = mkdtempSync(path.join(tmpdir(), 'shop-faults-'));
  const [results, stop, report] = ['results.jsonl', 'stop', 'jest.json'].map((name) => path.join(folder, name));
  if (!results || !stop || !report) throw new Error('three files');
  const child = spawn(
    process.execPath,
    // --forceExit: a timer that was left behind would keep the process alive
    [...jest, configOf(file), file, '--json', '--outputFile', report, '--forceExit'],
    {
      env: {
        ...process.env,
        FAULTS: 'long',
        FIRST_SEED: String(seed),
        FAULTS_RESULTS: results,
        FAULTS_STOP: stop,
        ...(minutes !== undefined && { FAULTS_MINUTES: String(Math.max(minutes - overheadMinutes, 0.1)) }),
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

/** The configuration that finds a test file: the one of its folder, or the one of `npm test`. */
function configOf(file: string): string {
  const ofFolder = path.join(path.dirname(file), 'jest.config.js');
  return existsSync(ofFolder) ? ofFolder : 'jest.config.js';
}

interface JestReport {
  testResults: { name: string; status: string; message: string; assertionResults: Assertion[] }[];
}

interface Assertion {
  fullName: string;
  status: string;
}

/** The tests that failed; a file that could not be run counts as one. */
function failed(report: string): string[] {
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as JestReport;
  return testResults.flatMap(({ name, status, message, assertionResults }) => {
    const names = assertionResults.filter((test) => test.status === 'failed').map(({ fullName }) => fullName);
    return names.length > 0 || status !== 'failed' ? names : [`${path.basename(name)}: ${message.split('\n')[0]}`];
  });
}

/** Forwards what the tests report, and a heartbeat while they report nothing; the result returns stderr so far. */
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
    errors = (errors + text).slice(0, maxErrorLength);
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
