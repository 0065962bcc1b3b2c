import type { BatchingResult } from './shards-batching.ts';
import type { Batching } from './shards-compare.ts';
import type { Series, ShardedCost } from './shards-measure.ts';
import { paceOf, tables } from './shards-plan.ts';
import { median } from './statistics.ts';

// Markdown, as in docs/scaling.md

interface Figure<Of> {
  label: string;
  of: (one: Of) => number;
  digits: number;
}

const figures: Figure<ShardedCost>[] = [
  { label: 'orders/s', of: ({ ordersPerSecond }) => ordersPerSecond, digits: 0 },
  { label: 'commits', of: ({ commits }) => commits, digits: 2 },
  { label: 'statements', of: ({ statements }) => statements, digits: 2 },
  { label: 'CPU ms, Postgres', of: ({ postgresCpuMs }) => postgresCpuMs, digits: 2 },
  { label: 'CPU ms, functions', of: ({ functionsCpuMs }) => functionsCpuMs, digits: 2 },
  { label: 'WAL bytes', of: ({ walBytes }) => walBytes, digits: 0 },
  { label: 'p50, ms', of: ({ endToEnd }) => endToEnd.p50, digits: 1 },
  { label: 'p99, ms', of: ({ endToEnd }) => endToEnd.p99, digits: 1 },
  { label: 'cores of other programs', of: ({ foreignCores }) => foreignCores, digits: 2 },
];

const row = (cells: string[]): string => `| ${cells.join(' | ')} |`;
const head = (cells: string[]): string[] => [row(cells), row(cells.map(() => '---'))];

const text = (value: number, digits: number): string =>
  value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** The median, and the range. */
const cell = (values: number[], digits: number): string =>
  `${text(median(values), digits)} (${text(Math.min(...values), digits)} – ${text(Math.max(...values), digits)})`;

/** A row for each load and number of shards: what an order cost. */
export function describeShards(
  series: Series[],
  idle: { shards: number; cpuMsPerSecond: number }[],
  storedBytes: number,
): string {
  const rows = tables.flatMap(({ title, at }) =>
    series
      .filter(({ shards, pace }) => paceOf(pace) === paceOf(at(shards)))
      .map(({ shards, runs }) =>
        row([title, String(shards), ...figures.map(({ of, digits }) => cell(runs.map(of), digits))]),
      ),
  );
  return [
    '',
    ...head(['load', 'shards', ...figures.map(({ label }) => label)]),
    ...rows,
    '',
    `CPU ms a second of the servers without orders: ${idle
      .map(({ shards, cpuMsPerSecond }) => `${text(cpuMsPerSecond, 1)} with ${shards}`)
      .join(', ')}.`,
    `Stored bytes per order, with indexes: ${text(storedBytes, 0)}.`,
    'After each run every invariant held on each shard, and each shard had rows of its own customers only.',
    '',
  ].join('\n');
}

const comparison: (Figure<BatchingResult> & { load: 'saturated' | 'steady' | 'held' })[] = [
  { load: 'saturated', label: '32 in flight: orders/s', of: ({ ordersPerSecond }) => ordersPerSecond, digits: 0 },
  { load: 'saturated', label: '– statements per order', of: (one) => one.statementsPerOrder, digits: 2 },
  { load: 'saturated', label: '– p50, ms', of: ({ others }) => others.p50, digits: 1 },
  { load: 'saturated', label: '– p99, ms', of: ({ others }) => others.p99, digits: 1 },
  { load: 'steady', label: 'fixed rate: statements per order', of: (one) => one.statementsPerOrder, digits: 2 },
  { load: 'steady', label: '– p50, ms', of: ({ others }) => others.p50, digits: 1 },
  { load: 'steady', label: '– p99, ms', of: ({ others }) => others.p99, digits: 1 },
  { load: 'held', label: 'one shard locked for 1 s: its p99, ms', of: ({ first }) => first.p99, digits: 0 },
  { load: 'held', label: '– the other shards: p50, ms', of: ({ others }) => others.p50, digits: 1 },
  { load: 'held', label: '– the other shards: p99, ms', of: ({ others }) => others.p99, digits: 0 },
];

/** A row for each figure of the two ways to combine batches and shards. */
export function describeBatching(all: Batching[]): string {
  return [
    ...head(['four shards, statements only', ...all.map(({ first }) => `${first} first`)]),
    ...comparison.map(({ load, label, of, digits }) =>
      row([label, ...all.map((one) => cell(one[load].map(of), digits))]),
    ),
    '',
  ].join('\n');
}
