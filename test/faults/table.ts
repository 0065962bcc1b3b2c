import { percentile } from '#bench/statistics.ts';
import type { Findings } from '#test/support/findings.ts';
import type { Result } from '#test/support/sizes.ts';

/** The outcome of one run of one kind. */
export interface Run {
  kind: string;
  seed: number;
  results: Result[];
  /** The names of the tests that failed, and other errors. */
  failures: string[];
}

interface Row extends Findings {
  fault: string;
  count: number;
  orders: number;
  checks: number;
  recoveriesMs: number[];
}

/**
 * A row for each fault. A violation that was found before its test recorded a fault is counted in the row of its kind.
 * Without a check of the invariants there is no zero.
 */
export function rowsOf(runs: Run[]): Row[] {
  const rows = new Map<string, Row>();
  for (const { kind, results, failures } of runs) {
    const checks = results.reduce((sum, result) => sum + result.checks, 0);
    const faults = new Set<string>();
    for (const { fault = kind, count, orders, recoveriesMs = [], findings } of results) {
      const row = rowOf(rows, fault);
      row.count += count;
      row.orders += orders;
      for (const ms of recoveriesMs) row.recoveriesMs.push(ms);
      for (const what of ['lost', 'double', 'stuck', 'other'] as const) row[what] += findings[what];
      faults.add(fault);
    }
    for (const fault of faults) rowOf(rows, fault).checks += checks;
    // failures without a violation: a timeout, an unexpected status
    const violated = results.some(({ findings }) => Object.values(findings).some((number) => number > 0));
    if (failures.length > 0 && !violated) rowOf(rows, kind).other += failures.length;
  }
  return [...rows.values()];
}

function rowOf(rows: Map<string, Row>, fault: string): Row {
  const none = { count: 0, orders: 0, checks: 0, lost: 0, double: 0, stuck: 0, other: 0 };
  const row = rows.get(fault) ?? { fault, ...none, recoveriesMs: [] };
  rows.set(fault, row);
  return row;
}

const columns = ['fault', 'count', 'orders', 'lost', 'double', 'stuck', 'other', 'recovery p50', 'max'];

/** The table as text. `other` also counts tests that failed without a violation. */
export function tableOf(runs: Run[]): string {
  const lines = [columns, ...rowsOf(runs).map(cellsOf)];
  const widths = columns.map((_, index) => Math.max(...lines.map((cells) => cells[index]?.length ?? 0)));
  const text = lines.map((cells) =>
    cells.map((cell, index) => (index === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[index] ?? 0))),
  );
  return text.map((cells) => `  ${cells.join('  ')}`.trimEnd()).join('\n');
}

function cellsOf({ fault, count, orders, checks, lost, double, stuck, other, recoveriesMs }: Row): string[] {
  const found = (number: number) => (checks > 0 || number > 0 ? String(number) : '–');
  const ms = (share: number) =>
    recoveriesMs.length > 0 ? `${(percentile(recoveriesMs, share) / 1_000).toFixed(2)} s` : '';
  const wrong = [lost, double, stuck].map(found);
  return [fault, inThousands(count), inThousands(orders), ...wrong, String(other), ms(0.5), ms(1)];
}

const inThousands = (number: number) => (number === 0 ? '' : number.toLocaleString('en'));

/** Whether no run has a violation or a failure. */
export const isSound = (runs: Run[]): boolean =>
  rowsOf(runs).every(({ lost, double, stuck, other }) => lost + double + stuck + other === 0);
