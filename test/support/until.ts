import { setTimeout as pause } from 'node:timers/promises';

/** The default deadline. Shorter for mutants, where most of what is awaited never happens. */
export const timeoutMs = Number(process.env['TEST_TIMEOUT_MS'] ?? 90_000);

/**
 * Calls `ask` until it returns neither undefined nor false, and returns that. An error counts as "not yet", because what is
 * asked may be down on purpose. After the deadline it throws with `what` and the last result.
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
      throw new Error(`Not within ${withinMs} ms: ${what} (the last result was: ${String(last)})`, { cause: last });
    }
    await pause(40);
  }
}

/** The seconds since `began` (a `Date.now()`), as text. */
export const secondsSince = (began: number): string => `${((Date.now() - began) / 1_000).toFixed(1)} s`;

/** Reports a measurement on a line of its own, without Jest's decoration. */
export function report(line: string): void {
  process.stdout.write(`    ${line}\n`);
}
