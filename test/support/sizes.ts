import { randomInt } from 'node:crypto';
import { appendFileSync, existsSync } from 'node:fs';
import { tally, type Findings } from './findings.ts';

// `npm run test:faults` runs the same tests as `npm test`, but more of them: it says so by these variables.
// Nothing here needs Jest, because the benchmark looks at the invariants too.
const { FAULTS = 'short', FAULTS_MINUTES, FAULTS_RESULTS, FAULTS_STOP, SEED, FIRST_SEED } = process.env;

/** How much of something a test does: the first number in `npm test`, the second in `npm run test:faults`. */
export const sized = (short: number, long: number): number => (FAULTS === 'long' ? long : short);

/**
 * Whether a test of the long form has time left; in the short form it always has. `share` is the part of its file's
 * time that it may take, if there are others.
 */
export function hasTime(beganMs: number, share = 1): boolean {
  // whoever pressed Ctrl-C wants an end, but one that cleans up and tells what was done until then
  if (FAULTS_STOP !== undefined && existsSync(FAULTS_STOP)) return false;
  return FAULTS_MINUTES === undefined || Date.now() - beganMs < Number(FAULTS_MINUTES) * share * 60_000;
}

/** What chance begins with: another number each time, unless it is given to repeat what was found. */
export const firstSeed = Number(SEED ?? FIRST_SEED ?? randomInt(2 ** 31));

/** What a test has done and found to be sound, for the table at the end of the long form. */
export interface Proof {
  fault: string;
  /** How often it was done. */
  count: number;
  orders: number;
  /** How long it took each time, in milliseconds, until everything was decided. */
  recoveriesMs?: number[];
}

/** A line of the results: a proof, or what a look at the invariants has found wrong. */
export interface Result extends Omit<Proof, 'fault'> {
  /** Missing where something was found wrong before the test could tell what it has done. */
  fault?: string;
  /** How often the invariants were looked at, at rest, since the last line. */
  looks: number;
  findings: Findings;
}

const sound: Findings = { lost: 0, double: 0, stuck: 0, other: 0 };
let looks = 0;
const known = new Set<string>();

/**
 * Every look at the invariants is told to this, whatever it has found: the table shows no zero that nobody has looked
 * for. A violation that is found again is no second one.
 */
export function looked(found: { name: string; subject: string }[], times = 1): void {
  looks += times;
  const news = found.filter(({ name, subject }) => !known.has(`${name} ${subject}`));
  if (news.length === 0) return;
  for (const { name, subject } of news) known.add(`${name} ${subject}`);
  write({ count: 0, orders: 0, looks: 0, findings: tally(news) });
}

/** Tells what was done and has held; what has not held was told by `looked`. */
export function record(proof: Proof): void {
  write({ ...proof, looks, findings: sound });
  looks = 0;
}

function write(result: Result): void {
  if (FAULTS_RESULTS !== undefined) appendFileSync(FAULTS_RESULTS, `${JSON.stringify(result)}\n`);
}
