import { randomInt } from 'node:crypto';
import { appendFileSync, existsSync } from 'node:fs';
import { tally, type Findings } from './findings.ts';

// The long form of `npm run test:faults` runs the same tests with more repetitions, and sets these variables.
// Nothing here needs Jest, because the benchmark checks the invariants too.
const { FAULTS = 'short', FAULTS_MINUTES, FAULTS_RESULTS, FAULTS_STOP, SEED, FIRST_SEED } = process.env;

/** The size of a test: the first number by default, the second in the long form of `npm run test:faults`. */
export const sized = (short: number, long: number): number => (FAULTS === 'long' ? long : short);

/**
 * Whether a test of the long form has time left; in the short form it always has. `share` is its part of the time of the
 * file.
 */
export function hasTime(beganMs: number, share = 1): boolean {
  // after Ctrl-C the test ends early, but cleans up and records its results
  if (FAULTS_STOP !== undefined && existsSync(FAULTS_STOP)) return false;
  return FAULTS_MINUTES === undefined || Date.now() - beganMs < Number(FAULTS_MINUTES) * share * 60_000;
}

/** The first seed: random, unless it is set to repeat a run. */
export const firstSeed = Number(SEED ?? FIRST_SEED ?? randomInt(2 ** 31));

/** What a test has done without a violation, for the table at the end of the long form. */
export interface Proof {
  fault: string;
  /** How often the fault was injected. */
  count: number;
  orders: number;
  /** Milliseconds from each fault until everything was settled. */
  recoveriesMs?: number[];
}

/** A line of the results: a proof, or the violations that a check of the invariants found. */
export interface Result extends Omit<Proof, 'fault'> {
  /** Absent if a violation was found before the test recorded what it did. */
  fault?: string;
  /** How often the invariants were checked at rest since the last line. */
  checks: number;
  findings: Findings;
}

const sound: Findings = { lost: 0, double: 0, stuck: 0, other: 0 };
let checks = 0;
const known = new Set<string>();

/**
 * Must be called for every check of the invariants, with or without violations: the table shows zero only for what was
 * checked. A violation that is found again is not counted again.
 */
export function recordCheck(found: { name: string; subject: string }[], times = 1): void {
  checks += times;
  const unknown = found.filter(({ name, subject }) => !known.has(`${name} ${subject}`));
  if (unknown.length === 0) return;
  for (const { name, subject } of unknown) known.add(`${name} ${subject}`);
  write({ count: 0, orders: 0, checks: 0, findings: tally(unknown) });
}

/** Records what was done without a violation; violations are recorded by `recordCheck`. */
export function record(proof: Proof): void {
  write({ ...proof, checks, findings: sound });
  checks = 0;
}

function write(result: Result): void {
  if (FAULTS_RESULTS !== undefined) appendFileSync(FAULTS_RESULTS, `${JSON.stringify(result)}\n`);
}
