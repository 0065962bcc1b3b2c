import { invariants, parameters, type Violation } from '#test/support/invariants.ts';
import type { Database } from './database.ts';

/** Throws if an invariant of the shop is violated: a run that is fast and wrong has failed. */
export async function checkInvariants(database: Database, accepted: string[]): Promise<void> {
  const found = await database.sql<Violation>(
    invariants,
    parameters({ accepted, canceled: [], broken: [], earlier: [] }),
  );
  if (found.length === 0) return;
  const lines = found.slice(0, 10).map(({ name, subject, detail }) => `  ${name}: ${subject} – ${detail}`);
  throw new Error([`${found.length} invariants are violated:`, ...lines].join('\n'));
}
