export interface Failure {
  /** Folders, request and check, as in `Bob cannot see what Alice has › Bob lists his orders › he has none`. */
  where: string;
  message: string;
}

export interface CollectionResult {
  /** Checks that held. */
  passed: number;
  /** Checks that did not hold, requests without an answer and scripts that broke off. */
  failed: number;
  failures: Failure[];
  /** Requests that were left out because there is no `mailUrl`. */
  skipped: number;
  requests: Step[];
}

/** A request of the collection with what became of it. */
export interface Step {
  id: string;
  folders: string[];
  name: string;
  iteration: number;
  /** How many times it was sent: more than once if it waited, 0 if it was left out. */
  times: number;
  ms: number;
  /** The status of the last answer; null if there was none. */
  status: number | null;
  /** The executions that got no answer, by Newman's names for them. */
  cut: string[];
  checks: { name: string; passed: boolean }[];
  failed: boolean;
}

/** Tells what became of a request, below the folders that it is in. */
export function sayStep(step: Step, previous: Step | undefined, say: (line: string) => void): void {
  const { folders, name, iteration, times, ms, checks, failed, cut } = step;
  if (iteration !== previous?.iteration && iteration > 0) say(`\nRun ${iteration + 1}`);
  const known = iteration === previous?.iteration ? previous.folders : [];
  const entered = folders.findIndex((folder, depth) => folder !== known[depth]);
  if (entered === 0) say('');
  for (let depth = entered; depth >= 0 && depth < folders.length; depth += 1)
    say(`${'  '.repeat(depth)}${folders[depth]}`);
  const indent = '  '.repeat(folders.length);
  if (times === 0) {
    say(`${indent}- ${name} (left out)`);
    return;
  }
  const unanswered = cut.length > 0 ? `${cut.length} without an answer, ` : '';
  const asked = times > 1 ? `asked ${times} times, ${unanswered}` : '';
  say(`${indent}${failed ? '✗' : '✓'} ${name} (${counted(checks.length, 'check')}, ${asked}${ms} ms)`);
  for (const check of checks) if (!check.passed) say(`${indent}    ✗ ${check.name}`);
}

/** Tells what failed and sums up. */
export function sayEnd(
  { passed, failed, failures, skipped, requests }: CollectionResult,
  sent: number,
  say: (line: string) => void,
): void {
  if (failures.length > 0) say('\nFailures');
  failures.forEach(({ where, message }, index) =>
    say(`\n${index + 1}. ${where}\n   ${message.replaceAll('\n', '\n   ')}`),
  );
  if (skipped > 0) say(`\nWithout a mail catcher (MAIL_URL) the requests that look into it were left out: ${skipped}.`);
  const seconds = requests.reduce((sum, { ms }) => sum + ms, 0) / 1_000;
  say(`\n${counted(sent, 'request')} in ${seconds.toFixed(1)} s`);
  say(`${passed} passed, ${failed} failed`);
}

const counted = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`;
