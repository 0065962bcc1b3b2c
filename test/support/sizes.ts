import { appendFileSync } from 'node:fs';

// `npm run test:faults` runs the same tests as `npm test`, but more of them: it says so by these variables.
const { FAULTS = 'short', FAULTS_MINUTES, FAULTS_RESULTS } = process.env;

/** How much of something a test does: the first number in `npm test`, the second in `npm run test:faults`. */
export const sized = (short: number, long: number): number => (FAULTS === 'long' ? long : short);

/** Whether a test of the long form has time left; in the short form it always has. */
export function hasTime(beganMs: number): boolean {
  return FAULTS_MINUTES === undefined || Date.now() - beganMs < Number(FAULTS_MINUTES) * 60_000;
}

/** What a test has done and found to be sound, for the table at the end of the long form. */
export interface Proof {
  fault: string;
  /** How often it was done. */
  count: number;
  orders: number;
  /** How long it took each time, in milliseconds, until everything was decided. */
  recoveriesMs?: number[];
}

export function record(proof: Proof): void {
  if (FAULTS_RESULTS !== undefined) appendFileSync(FAULTS_RESULTS, `${JSON.stringify(proof)}\n`);
}
