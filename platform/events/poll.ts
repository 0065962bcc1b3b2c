/** How far back a poll scans, as an interval of Postgres: over what came due recently, or over everything. */
export type ScanInterval = '10 seconds' | '100 years';

export const fullScan: ScanInterval = '100 years';

// A row becomes visible up to 8 s (statement_timeout) after its due time was chosen, which is a second or more ahead.
const recentScan: ScanInterval = '10 seconds';
const fullScanEveryMs = 30_000;
const lateAfterMs = 5_000;

/**
 * A poll for what is due, with a full scan only now and then. An index retains entries of rows that were deleted or
 * changed until it is cleaned up, and an open transaction – a backup, a long report – delays that: a scan from the beginning
 * then walks through every row that was ever due, a second and more after an hour. `take` returns whether it took everything
 * within its interval; if it did not, or failed, or was not called in time, the next scan is a full one.
 */
export function createPoll(take: (interval: ScanInterval) => Promise<boolean>): () => Promise<void> {
  let lastAt = -Infinity;
  let fullAt = -Infinity;
  return async () => {
    const now = performance.now();
    const interval = now - lastAt < lateAfterMs && now - fullAt < fullScanEveryMs ? recentScan : fullScan;
    lastAt = -Infinity;
    if (!(await take(interval))) return;
    lastAt = now;
    if (interval === fullScan) fullAt = now;
  };
}
