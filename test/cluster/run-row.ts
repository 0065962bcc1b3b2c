import { setTimeout as pause } from 'node:timers/promises';
import { verifyLedger } from './client.ts';
import { readHistory, type Problem } from './history.ts';
import { inGroups, survive, type LoadSettings, type Outcome } from './survive.ts';
import { describeRefused, describeRepeated, type RowResult } from './table.ts';

/** What the outbox may repeat of an undisturbed load, per hundred publications. */
const maxRepeatedPercent = 5;
/** A mail whose sender was killed is due a minute later. */
const sentWithinMs = 120_000;
const shownProblems = 20;

/** Repeats a row and adds what it found to `result`. */
export async function runRow(
  result: RowResult,
  times: number,
  load: LoadSettings,
  say: (line: string) => void,
): Promise<void> {
  const { row, outcomes, problems } = result;
  for (let time = 0; time < times; time += 1) {
    try {
      const outcome = await survive(row, time, load);
      outcomes.push(outcome);
      say(`${row.name}, ${time + 1} of ${times}: ${describeOutcome(outcome)}`);
      sayProblems(outcome.problems, say);
    } catch (error) {
      problems.push({ kind: 'other', text: (error as Error).message });
      say(`${row.name}, ${time + 1} of ${times}: FAILED\n  ${(error as Error).message}`);
    }
  }
  const found = await checkAtRest(outcomes).catch((error: Error): Problem[] => [
    { kind: 'other', text: error.message },
  ]);
  if (row.since === 'acceptance') found.push(...repeatedTooOften(outcomes));
  problems.push(...found);
  sayProblems(found, say);
}

const seconds = (ms: number) => (ms / 1_000).toFixed(1);

function describeOutcome(outcome: Outcome): string {
  const { accepted, outageMs, longestMs } = outcome;
  return [
    `${accepted} accepted`,
    `${describeRefused([outcome])} refused at first`,
    `none accepted for ${seconds(outageMs)} s`,
    `settled and notified after ${seconds(longestMs)} s`,
    `${describeRepeated([outcome])} repeated`,
  ].join(', ');
}

function sayProblems(problems: Problem[], say: (line: string) => void): void {
  for (const { kind, text } of problems.slice(0, shownProblems)) say(`  ${kind}: ${text}`);
  if (problems.length > shownProblems) say(`  … and ${problems.length - shownProblems} more`);
}

/** Once every mail is sent: all histories again, because a repeated event may arrive late; and the ledger. */
async function checkAtRest(outcomes: Outcome[]): Promise<Problem[]> {
  const sent = Map.groupBy(
    outcomes.flatMap((outcome) => outcome.sent),
    ({ customer }) => customer,
  );
  const endAt = Date.now() + sentWithinMs;
  let open = [...sent.keys()];
  let problems: Problem[] = [];
  while (open.length > 0) {
    const histories = await inGroups(open, 5, (customer) => readHistory(customer, sent.get(customer) ?? [], true));
    problems = histories.flatMap((history) => history.problems);
    open = open.filter((_, index) => histories[index]?.problems.length !== 0);
    if (Date.now() > endAt) break;
    if (open.length > 0) await pause(5_000);
  }
  const differences = await verifyLedger();
  return [...problems, ...differences.map((text): Problem => ({ kind: 'other', text }))];
}

function repeatedTooOften(outcomes: Outcome[]): Problem[] {
  const shares = outcomes.flatMap((outcome) => outcome.repeatedPercent ?? []);
  return shares
    .filter((share) => share > maxRepeatedPercent)
    .map((share) => ({
      kind: 'other',
      text: `${share.toFixed(1)} % of the publications were repeated without a fault`,
    }));
}
