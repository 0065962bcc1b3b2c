/** How far back a look goes, as an interval of Postgres: over what has come due lately, or over everything. */
export type ScanInterval = '10 seconds' | '100 years';

export const fullScan: ScanInterval = '100 years';

// A row becomes visible up to 8 s (statement_timeout) after its time was chosen, which is ahead of it by a second or more.
const recentScan: ScanInterval = '10 seconds';
const completeEveryMs = 30_000;
const lateAfterMs = 5_000;

/**
 * A look for what is due that goes over everything only now and then. An index keeps what was deleted or moved on until
 * it is cleaned up, and an open transaction – a backup, a long report – puts that off: a look from the beginning then
 * walks through every row that was ever due, a second and more after an hour. `take` gives whether it has taken all that
 * there was within its interval; if it has not, or has failed, or has not been called in time, the next one is complete.
 */
export function poll(take: (interval: ScanInterval) => Promise<boolean>): () => Promise<void> {
  let lastAt = -Infinity;
  let completeAt = -Infinity;
  return async () => {
    const now = performance.now();
    const interval = now - lastAt < lateAfterMs && now - completeAt < completeEveryMs ? recentScan : fullScan;
    lastAt = -Infinity;
    if (!(await take(interval))) return;
    lastAt = now;
    if (interval === fullScan) completeAt = now;
  };
}
