import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Machine, PostgresSettings } from './machine.ts';
import type { Measured } from './measure.ts';
import type { Options } from './options.ts';
import { median } from './statistics.ts';
import { tableOf, type Line, type Row } from './table.ts';

/** Widths of the columns: label, median, range, must, goal, verdict. */
const widths = [46, 10, 20, 8, 8, 8];

/** The table of one mode, as text. */
export function describe(measured: Measured): string {
  const { mode, failure, repetitions } = measured;
  const title = mode === 'one process' ? 'all functions in one process' : 'each function in its own process';
  const head = line(['', 'median', 'range', 'must', 'goal', '']);
  const lines = tableOf(measured).flatMap(toLines);
  const end = failure === undefined ? `repetitions: ${repetitions.length}; all invariants hold` : `FAILED: ${failure}`;
  return ['', title, '', head, ...lines, '', end, ''].join('\n');
}

function toLines(entry: Line): string[] {
  if (typeof entry === 'string') return entry.startsWith(' ') ? [`  ${entry}`] : ['', entry];
  const { label, values, digits = 0, must, goal } = entry;
  if (values.length === 0) return [];
  const text = (value: number | undefined) => (value === undefined ? '' : format(value, digits));
  const range = values.length > 1 ? `${text(Math.min(...values))} – ${text(Math.max(...values))}` : '';
  const bound = (value: number | undefined) => (value === undefined ? '' : String(value));
  return [line([`  ${label}`, text(median(values)), range, bound(must), bound(goal), verdict(entry)])];
}

const line = (cells: string[]): string =>
  cells
    .map((cell, index) => {
      const width = widths[index] ?? 0;
      return index === 0 || index === 5 ? cell.padEnd(width) : cell.padStart(width);
    })
    .join('  ')
    .trimEnd();

const format = (value: number, digits: number) =>
  value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** Which of its bounds the median meets. */
export function verdict({ values, must, goal, better }: Row): '' | 'goal' | 'must' | 'MISSED' {
  if (must === undefined || goal === undefined || values.length === 0) return '';
  const meets = (bound: number) => (better === 'more' ? median(values) >= bound : median(values) <= bound);
  if (meets(goal)) return 'goal';
  return meets(must) ? 'must' : 'MISSED';
}

export const describeMachine = (machine: Machine): string =>
  [
    `machine    ${machine.cores} cores, ${machine.model}, ${machine.memoryGb} GB (${machine.freeMemoryGb} free), ${machine.platform}`,
    `load       ${machine.load.map((value) => value.toFixed(2)).join(' and ')} (1 and 5 minutes)${
      machine.load[0] > machine.cores / 4 ? ': other programs are running, so throughput is underestimated' : ''
    }`,
    `node       ${machine.node}`,
    `disk       ${machine.fsyncsPerSecond} fdatasync of 8 KB per second`,
    '',
  ].join('\n');

export const describePostgres = ({ server_version: version, ...others }: PostgresSettings): string =>
  [
    `postgres   ${version}, with`,
    ...wrap(Object.entries(others).map(([name, value]) => `${name}=${value}`)).map((row) => `           ${row}`),
    '',
  ].join('\n');

function wrap(words: string[]): string[] {
  const rows: string[] = [];
  for (const word of words) {
    const last = rows.at(-1);
    if (last !== undefined && last.length + word.length < 90) rows[rows.length - 1] = `${last}, ${word}`;
    else rows.push(word);
  }
  return rows;
}

export const notes = `notes
  orders/s       orders settled and notified, until the last notification row; with tokens, limits, signatures and retries
  end to end     until the notification row is written, just before its commit: one fsync before it is durable
  mail accepted  by the mail catcher, as sent_at says
  commits        counted by transaction ids; "all commits" is pg_stat_database, which includes reads and is up to 1 s late
  baseline       the functions' own statements (create, charge, settle, notify) from a separate process, on a second
                 database of the same server; pgbench is not part of the embedded Postgres
  each customer  has an account and a deposit, and a token that has been verified once
`;

/** Writes all measurements to reports/bench.json and returns its path. */
export function writeJson(all: {
  options: Options;
  machine: Machine;
  postgres: PostgresSettings | undefined;
  modes: Measured[];
}): string {
  const file = fileURLToPath(new URL('../reports/bench.json', import.meta.url));
  const tables = all.modes.map((measured) => ({
    mode: measured.mode,
    rows: tableOf(measured).flatMap((entry) =>
      typeof entry === 'string' ? [] : [{ ...entry, median: median(entry.values), verdict: verdict(entry) }],
    ),
  }));
  mkdirSync(fileURLToPath(new URL('../reports', import.meta.url)), { recursive: true });
  writeFileSync(file, `${JSON.stringify({ at: new Date().toISOString(), ...all, tables }, null, 2)}\n`);
  return file;
}
