import type { Batching } from './shards-compare.ts';
import type { BatchingResult } from './shards-batching.ts';
import { paceOf, tables } from './shards-plan.ts';
import type { Series, ShardedCost } from './shards-measure.ts';
import { median } from './statistics.ts';

const width = 24;

const figures: [string, (cost: ShardedCost) => number, number][] = [
  ['orders/s', ({ ordersPerSecond }) => ordersPerSecond, 0],
  ['end to end p50, ms', ({ endToEnd }) => endToEnd.p50, 1],
  ['end to end p99, ms', ({ endToEnd }) => endToEnd.p99, 1],
  ['CPU ms of Postgres per order', ({ postgresCpuMs }) => postgresCpuMs, 2],
  ['CPU ms of the functions per order', ({ functionsCpuMs }) => functionsCpuMs, 2],
  ['statements per order', ({ statements }) => statements, 2],
  ['commits per order', ({ commits }) => commits, 2],
  ['WAL bytes per order', ({ walBytes }) => walBytes, 0],
  ['cores used by other programs', ({ foreignCores }) => foreignCores, 2],
];

const row = (label: string, cells: string[]): string =>
  [label.padEnd(40), ...cells.map((cell) => cell.padStart(width))].join('').trimEnd();

/** The median, and the range. */
function cell(values: number[], digits: number): string {
  const text = (value: number) =>
    value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
  if (values.length === 0) return '';
  return `${text(median(values))} (${text(Math.min(...values))}–${text(Math.max(...values))})`;
}

/** A table for each load: a column per number of shards, medians and ranges. */
export function describeShards(
  series: Series[],
  idle: { shards: number; cpuMsPerSecond: number }[],
  storedBytes: number,
): string {
  const counts = [...new Set(series.map(({ shards }) => shards))];
  const runsAt = (shards: number, pace: string) =>
    series.find((one) => one.shards === shards && paceOf(one.pace) === pace)?.runs ?? [];
  return [
    ...tables.flatMap(({ title, at }) => [
      '',
      row(
        title,
        counts.map((shards) => (shards === 1 ? '1 shard' : `${shards} shards`)),
      ),
      ...figures.map(([label, of, digits]) =>
        row(
          `  ${label}`,
          counts.map((shards) => cell(runsAt(shards, paceOf(at(shards))).map(of), digits)),
        ),
      ),
    ]),
    '',
    row(
      'idle: CPU ms of Postgres per second',
      counts.map((shards) =>
        cell(
          idle.filter((one) => one.shards === shards).map((one) => one.cpuMsPerSecond),
          1,
        ),
      ),
    ),
    row('stored bytes per order, indexes included', [cell([storedBytes], 0)]),
    '',
    'After each run every invariant held on each shard, and each shard had rows of its own customers only.',
  ].join('\n');
}

/** The two ways to combine batches and shards. */
export function describeBatching(all: Batching[]): string {
  const line = (
    label: string,
    of: (one: Batching) => BatchingResult[],
    value: (r: BatchingResult) => number,
    digits = 1,
  ) =>
    row(
      `  ${label}`,
      all.map((one) => cell(of(one).map(value), digits)),
    );
  const saturated = ({ saturated: results }: Batching) => results;
  const steady = ({ steady: results }: Batching) => results;
  const held = ({ held: results }: Batching) => results;
  return [
    '',
    row(
      'four shards, statements only',
      all.map(({ first }) => `${first} first`),
    ),
    line('saturation: orders/s', saturated, ({ ordersPerSecond }) => ordersPerSecond, 0),
    line('  statements per order', saturated, ({ statementsPerOrder }) => statementsPerOrder, 2),
    line('  p50, ms', saturated, ({ others }) => others.p50),
    line('  p99, ms', saturated, ({ others }) => others.p99),
    line('fixed rate: p50, ms', steady, ({ others }) => others.p50),
    line('  p99, ms', steady, ({ others }) => others.p99),
    line('  statements per order', steady, ({ statementsPerOrder }) => statementsPerOrder, 2),
    line('one shard held for 1 s: its p99, ms', held, ({ first }) => first.p99),
    line('  other shards: p50, ms', held, ({ others }) => others.p50),
    line('  other shards: p99, ms', held, ({ others }) => others.p99),
    '',
  ].join('\n');
}
