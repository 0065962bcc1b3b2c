import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

// npm run mutants: takes away, one after the other, what keeps the money right (test/faults/mutants/*.patch), in a copy of
// the tree, and looks whether a test goes red. The tests must be green before. Exits with 1 if a mutant survives.

interface Mutant {
  patch: string;
  /** The tests that should find it, by a part of their names. */
  named: string;
}

const files = [
  ...['functions/charge-account', 'functions/create-order', 'functions/refund-charge', 'functions/settle-order'],
  ...[
    'test/flow/flow.test.ts',
    'test/faults/simulation.test.ts',
    'test/faults/interleavings.test.ts',
    'test/flow/reconciliation.test.ts',
  ],
];
const stories = 'whatever gets lost';
const mutants: Mutant[] = [
  { patch: 'charges-without-their-key', named: `delivered five times|${stories}` },
  { patch: 'balance-without-its-guard', named: `twenty (parallel )?orders|${stories}` },
  { patch: 'orders-without-outbox', named: `announced by its id alone|placed before its account is open|${stories}` },
  { patch: 'refunds-without-their-key', named: `is refunded once|canceled again and again|${stories}` },
  { patch: 'events-without-signature', named: 'unsigned' },
  // alone of the guards it is backed by no key: a repeat would only move a time, which is an invariant
  { patch: 'orders-without-their-state', named: `the fact that it once led to|holds settle-order|${stories}` },
  { patch: 'sweep-without-reconciliation', named: 'lost its outbox row' },
  { patch: 'ids-as-they-arrive', named: `arrives in capitals|${stories}` },
];

const root = fileURLToPath(new URL('../..', import.meta.url));
const say = (line: string) => process.stdout.write(`${line}\n`);

const copy = copyOfTree();
let survivors = 0;
try {
  say('Without a mutant the tests must be green …');
  const base = runTests(mutants.map(({ named }) => named).join('|'));
  if (base.red.length > 0 || base.green.length === 0) throw new Error(`They are not:\n${base.output}`);
  say(`${base.green.length} tests are green.`);
  for (const { patch, named } of mutants) {
    const file = path.join(root, 'test', 'faults', 'mutants', `${patch}.patch`);
    apply(file);
    const { red } = runTests(named);
    apply(file, '--reverse');
    if (red.length === 0) survivors += 1;
    say(`\n${readFileSync(file, 'utf8').split('\n')[0]} (${patch})`);
    say(red.length > 0 ? red.map((name) => `  found by  ${name}`).join('\n') : '  SURVIVES: no test has found it');
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}
say(survivors === 0 ? `\nAll ${mutants.length} mutants were found.` : `\n${survivors} of ${mutants.length} survive.`);
process.exit(survivors === 0 ? 0 : 1);

/** The tree as it is now, committed or not, without what Git ignores. */
function copyOfTree(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'shop-mutants-'));
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root });
  for (const name of listed.toString().split('\0')) {
    if (name === '' || !existsSync(path.join(root, name))) continue;
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    cpSync(path.join(root, name), path.join(folder, name));
  }
  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
  return folder;
}

/** Applies a patch to the copy; throws if it does not fit any more. */
function apply(file: string, ...options: string[]): void {
  // in a folder that Git knows as a part of a repository it would skip what lies outside of it
  const env = { ...process.env, GIT_CEILING_DIRECTORIES: path.dirname(copy) };
  execFileSync('git', ['apply', ...options, file], { cwd: copy, env, stdio: ['ignore', 'inherit', 'inherit'] });
}

interface Outcome {
  green: string[];
  red: string[];
  output: string;
}

interface JestReport {
  testResults: { assertionResults: { fullName: string; status: string }[] }[];
}

/** Runs the tests of these names in the copy, the whole shop in one process only. */
function runTests(named: string): Outcome {
  const report = path.join(copy, 'mutants.json');
  rmSync(report, { force: true });
  const jest = path.join('node_modules', 'jest', 'bin', 'jest.js');
  const names = `^(?!each function a process).*(${named})`;
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [
      ...['--experimental-vm-modules', '--no-warnings', jest, ...files],
      ...['--testNamePattern', names, '--json', '--outputFile', report],
    ],
    { cwd: copy, env: { ...process.env, TEST_TIMEOUT_MS: '30000' }, encoding: 'utf8', maxBuffer: 2 ** 28 },
  );
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as JestReport;
  const results = testResults.flatMap(({ assertionResults }) => assertionResults);
  const having = (status: string) => results.filter((test) => test.status === status).map(({ fullName }) => fullName);
  return { green: having('passed'), red: having('failed'), output: stdout + stderr };
}
