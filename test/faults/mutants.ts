import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

// npm run mutants: removes, one at a time, what keeps the money right (test/faults/mutants/*.patch), in a copy of the
// tree, and checks that a test fails. Without a mutant the tests must pass. Exits with 1 if a mutant survives.

interface Mutant {
  patch: string;
  /** Patterns for the names of the tests that must find it. */
  named: string[];
}

const scenario = 'whatever is lost';
const mutants: Mutant[] = [
  { patch: 'charges-without-their-key', named: ['delivered five times', scenario] },
  { patch: 'balance-without-its-guard', named: ['twenty (parallel )?orders', scenario] },
  {
    patch: 'orders-without-outbox',
    named: ['carries ids only', 'placed before its account is open', scenario],
  },
  { patch: 'refunds-without-their-key', named: ['refund(s an order|ed) once', 'canceled again and again', scenario] },
  { patch: 'events-without-signature', named: ['unsigned'] },
  // the only guard without a key behind it: a repeat would only move a timestamp, which is an invariant
  {
    patch: 'orders-without-their-state',
    named: ['event of the first delivery again', 'holds settle-order', scenario],
  },
  { patch: 'sweep-without-reconciliation', named: ['lost its outbox row'] },
  { patch: 'ids-as-they-arrive', named: ['arrives in capitals', scenario] },
];

const root = fileURLToPath(new URL('../..', import.meta.url));
const say = (line: string) => process.stdout.write(`${line}\n`);

const copy = copyOfTree();
let survivors = 0;
try {
  say('Without a mutant the tests must pass …');
  const all = [...new Set(mutants.flatMap(({ named }) => named))];
  const base = runTests(all);
  if (base.failed.length > 0) throw new Error(`They do not:\n${base.output}`);
  const unknown = all.filter((pattern) => !base.passed.some((name) => new RegExp(pattern).test(name)));
  if (unknown.length > 0) throw new Error(`No test has such a name: ${unknown.join(', ')}`);
  say(`${base.passed.length} tests pass.`);
  for (const { patch, named } of mutants) {
    const file = path.join(root, 'test', 'faults', 'mutants', `${patch}.patch`);
    apply(file);
    const { failed } = runTests(named);
    apply(file, '--reverse');
    if (failed.length === 0) survivors += 1;
    say(`\n${readFileSync(file, 'utf8').split('\n')[0]} (${patch})`);
    say(
      failed.length > 0 ? failed.map((name) => `  found by  ${name}`).join('\n') : '  SURVIVES: no test has found it',
    );
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}
say(survivors === 0 ? `\nAll ${mutants.length} mutants were found.` : `\n${survivors} of ${mutants.length} survive.`);
process.exit(survivors === 0 ? 0 : 1);

/** Copies the working tree, uncommitted changes included, without the files that Git ignores. */
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

/** Applies a patch to the copy; throws if it no longer applies. */
function apply(file: string, ...options: string[]): void {
  // inside a repository Git would skip files that the repository does not contain
  const env = { ...process.env, GIT_CEILING_DIRECTORIES: path.dirname(copy) };
  execFileSync('git', ['apply', ...options, file], { cwd: copy, env, stdio: ['ignore', 'inherit', 'inherit'] });
}

interface Outcome {
  passed: string[];
  failed: string[];
  output: string;
}

interface JestReport {
  testResults: { assertionResults: { fullName: string; status: string }[] }[];
}

/** Runs the tests whose names match one of the patterns, in the copy. */
function runTests(patterns: string[]): Outcome {
  const report = path.join(copy, 'mutants.json');
  rmSync(report, { force: true });
  const jest = path.join('node_modules', 'jest', 'bin', 'jest.js');
  const config = path.join('test', 'faults', 'mutants', 'jest.config.js');
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [
      ...['--experimental-vm-modules', '--no-warnings', jest, '--config', config],
      ...['--testNamePattern', patterns.join('|'), '--json', '--outputFile', report],
    ],
    { cwd: copy, env: { ...process.env, TEST_TIMEOUT_MS: '30000' }, encoding: 'utf8', maxBuffer: 2 ** 28 },
  );
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as JestReport;
  const results = testResults.flatMap(({ assertionResults }) => assertionResults);
  const having = (status: string) => results.filter((test) => test.status === status).map(({ fullName }) => fullName);
  return { passed: having('passed'), failed: having('failed'), output: stdout + stderr };
}
