import type { ProblemKind } from './history.ts';
import type { Row } from './rows.ts';
import type { Outcome } from './survive.ts';

/** The repetitions of a row, and what the checks at its end found. */
export interface RowResult {
  row: Row;
  outcomes: Outcome[];
  problems: Outcome['problems'];
}

const seconds = (ms: number) => (ms / 1_000).toFixed(1);

const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

const medianAndLongest = (values: number[]) =>
  values.length > 0 ? `${seconds(median(values))} (${seconds(Math.max(...values))})` : '–';

/** The refused orders, by their status. */
export function describeRefused(outcomes: Outcome[]): string {
  const total = new Map<string, number>();
  for (const { refused } of outcomes) {
    for (const [response, times] of refused) total.set(response, (total.get(response) ?? 0) + times);
  }
  return [...total].map(([response, times]) => `${times} × ${response}`).join(', ') || '0';
}

/** The share of repeated publications; a dash if the shop does not count them. */
export function describeRepeated(outcomes: Outcome[]): string {
  const shares = outcomes.flatMap((outcome) => outcome.repeatedPercent ?? []);
  return shares.length > 0 ? `${median(shares).toFixed(1)} %` : '–';
}

const problemsOf = ({ outcomes, problems }: RowResult) => [...outcomes.flatMap((one) => one.problems), ...problems];

/** Whether a row has broken a promise, or could not be run. */
export const hasFailed = (result: RowResult): boolean => problemsOf(result).length > 0;

/** Whether a row held; a dash if the program was interrupted before its first repetition had ended. */
function held(result: RowResult): string {
  if (hasFailed(result)) return '**no**';
  return result.outcomes.length > 0 ? 'yes' : '–';
}

/** The results in Markdown. Times are the median of the repetitions and, in brackets, the longest. */
export function tableOf(results: RowResult[]): string {
  const lines = results.map((result) => {
    const { row, outcomes } = result;
    const count = (kind: ProblemKind) => problemsOf(result).filter((problem) => problem.kind === kind).length;
    const accepted = outcomes.reduce((sum, one) => sum + one.accepted, 0);
    return [
      row.name,
      outcomes.length,
      accepted,
      describeRefused(outcomes),
      `${count('lost')}, ${count('double')}, ${count('stuck')}`,
      medianAndLongest(outcomes.map(({ outageMs }) => outageMs)),
      medianAndLongest(outcomes.map(({ longestMs }) => longestMs)),
      `${row.limitMs / 1_000} s after ${row.since}`,
      describeRepeated(outcomes),
      held(result),
    ].join(' | ');
  });
  return [
    'deleted by force | times | accepted | refused at first | lost, double, stuck | none accepted for (s) | settled and notified after (s) | at most | repeated | held',
    '--- | --- | --- | --- | --- | --- | --- | --- | --- | ---',
    ...lines,
  ]
    .map((line) => `| ${line} |`)
    .join('\n');
}
