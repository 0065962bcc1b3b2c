import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { kinds } from './kinds.ts';
import { isSound, tableOf, type Run } from './table.ts';
import { meanings, tally, type Findings } from '#test/support/findings.ts';
import { invariants, mailViolations } from '#test/support/invariants.ts';

// The table at the end of the long form counts what was checked and found, and nothing else.

const none: Findings = { lost: 0, double: 0, stuck: 0, other: 0 };
const run = (changes: Partial<Run>): Run => ({ kind: 'random', seed: 1, results: [], failures: [], ...changes });
const cells = (runs: Run[]) =>
  tableOf(runs)
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/ {2,}/));

test('runs only files that exist in the long form', () => {
  expect(kinds.filter(({ file }) => !existsSync(file))).toEqual([]);
});

test('knows every invariant that it counts by its meaning', () => {
  const ofMails = readFileSync(new URL('../support/invariants.ts', import.meta.url), 'utf8');
  for (const name of Object.keys(meanings)) {
    const found = invariants.includes(`'${name}'`) || ofMails.includes(`violation('${name.replace('I10 ', '')}'`);
    expect({ name, found }).toEqual({ name, found: true });
  }
});

test('counts violations as lost, double, stuck or other', () => {
  const sent = { id: 'n', status: 'sent', recipient: 'ann@example.com' } as const;
  const mail = { notificationId: 'n', to: 'ann@example.com', subject: '', text: '' };
  const found = [
    ...mailViolations([sent], [], 0),
    ...mailViolations([sent], [mail, mail], 0),
    ...mailViolations([{ ...sent, status: 'queued' }], [], 0),
    ...mailViolations([], [mail], 0),
  ];
  expect(tally(found)).toEqual({ lost: 1, double: 1, stuck: 1, other: 1 });
});

test('adds up runs, and shows a zero only where the invariants were checked', () => {
  const kill = { fault: 'kill', count: 2, orders: 1_000, checks: 1, findings: none };
  const runs = [
    run({ results: [{ ...kill, recoveriesMs: [100, 200] }] }),
    run({ results: [{ ...kill, recoveriesMs: [300, 4_000] }] }),
    run({ kind: 'events', results: [{ fault: 'fuzzed event', count: 150, orders: 0, checks: 0, findings: none }] }),
  ];
  expect(cells(runs)).toEqual([
    ['kill', '4', '2,000', '0', '0', '0', '0', '0.20 s', '4.00 s'],
    ['fuzzed event', '150', '–', '–', '–', '0'],
  ]);
  expect(isSound(runs)).toBe(true);
});

test('counts a violation even if its test failed before it recorded a fault', () => {
  const runs = [
    run({ results: [{ count: 0, orders: 0, checks: 0, findings: { ...none, double: 2 } }], failures: ['a test'] }),
  ];
  expect(cells(runs)).toEqual([['random', '–', '2', '–', '0']]);
  expect(isSound(runs)).toBe(false);
});

test('counts a test that fails without a violation as a failure', () => {
  const runs = [run({ failures: ['a test'] })];
  expect(cells(runs)).toEqual([['random', '–', '–', '–', '1']]);
  expect(isSound(runs)).toBe(false);
});
