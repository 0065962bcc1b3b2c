import { invariants, parameters, type Violation } from '#test/support/invariants.ts';
import type { Database } from './shop.ts';

/** Throws if an invariant of the shop is violated: a fast wrong run is a failed run. */
export async function checkSound(database: Database, accepted: string[]): Promise<void> {
  const found = await database.sql<Violation>(
    invariants,
    parameters({ accepted, canceled: [], broken: [], earlier: [] }),
  );
  if (found.length === 0) return;
  const lines = found.slice(0, 10).map(({ name, subject, detail }) => `  ${name}: ${subject} – ${detail}`);
  throw new Error([`${found.length} violations of the invariants:`, ...lines].join('\n'));
}
