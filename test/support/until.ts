import { setTimeout as pause } from 'node:timers/promises';

/** How long a test waits, if it does not say. Mutants wait shorter: most of what they await never comes. */
export const timeoutMs = Number(process.env['TEST_TIMEOUT_MS'] ?? 90_000);

/**
 * Asks again and again until the answer is neither undefined nor false, and gives it. An error counts as "not yet":
 * what is asked may be down on purpose. After the deadline it throws with what was awaited and what came last.
 */
export async function until<Found>(
  what: string,
  ask: () => Promise<Found | undefined | false> | Found | undefined | false,
  withinMs = timeoutMs,
): Promise<Found> {
  const deadline = Date.now() + withinMs;
  for (let last: unknown = 'no'; ;) {
    try {
      const found = await ask();
      if (found !== undefined && found !== false) return found;
      last = 'no';
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) {
      throw new Error(`Not within ${withinMs} ms: ${what} (the last answer was: ${String(last)})`, { cause: last });
    }
    await pause(40);
  }
}

/** Seconds since `began` (a `Date.now()`), for people. */
export const secondsSince = (began: number): string => `${((Date.now() - began) / 1_000).toFixed(1)} s`;

/** Tells a figure that was measured, in one line that Jest does not decorate. */
export function report(line: string): void {
  process.stdout.write(`    ${line}\n`);
}
