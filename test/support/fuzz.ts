import fc from 'fast-check';
import { firstSeed, hasTime } from './sizes.ts';
import { report } from './until.ts';

const aRound = 500;

export interface Amount {
  runs: number;
  /** The part of its file's time that it may take. */
  share: number;
}

/**
 * Checks a property up to `runs` times, in rounds with a new seed each, while there is time; returns the number of runs. A
 * failure reports its seed: `SEED=<n> npm run test:faults -- <file>` repeats it.
 */
export async function checkOften<Input>(
  input: fc.Arbitrary<Input>,
  check: (input: Input) => Promise<void>,
  { runs, share }: Amount,
): Promise<number> {
  const began = Date.now();
  let done = 0;
  for (let round = 0; done < runs && hasTime(began, share); round += 1) {
    const numRuns = Math.min(aRound, runs - done);
    const seed = (firstSeed + round) | 0; // 32 bits
    await fc.assert(fc.asyncProperty(input, check), { numRuns, seed });
    done += numRuns;
    if (done % (40 * aRound) === 0) report(`${done} inputs checked so far`);
  }
  return done;
}

/** An id with some of its letters in upper case: the first one, and those that the bits of `pick` select. */
export function mixedCase(id: string, pick: number): string {
  let bits = pick | 1;
  return id.replaceAll(/[a-f]/g, (letter) => {
    const isCapital = (bits & 1) === 1;
    bits = (bits >>> 1) | ((bits & 1) << 30);
    return isCapital ? letter.toUpperCase() : letter;
  });
}
