import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { median } from '../statistics.ts';
import type { Performance, Recovery } from './measure.ts';

export interface SystemResult {
  name: string;
  rounds: Performance[];
  recovery?: Recovery;
  failure?: string;
  /** What this machine lacks for it. */
  unavailable?: string;
}

export function performanceTable(all: SystemResult[]): string {
  const results = available(all);
  const shop = results.find(({ name }) => name === 'shop')?.rounds ?? [];
  const rows = results.map(({ name, rounds, failure }) => {
    if (failure !== undefined) return [name, 'FAILED', '', '', '', ''];
    const rates = rounds.map(({ ordersPerSecond }) => ordersPerSecond);
    const shares = rates.map((rate, round) => rate / (shop[round]?.ordersPerSecond ?? NaN));
    return [
      name,
      whole(median(rates)),
      `${whole(Math.min(...rates))} – ${whole(Math.max(...rates))}`,
      median(shares).toFixed(2),
      median(rounds.map(({ endToEnd }) => endToEnd.p50)).toFixed(1),
      median(rounds.map(({ endToEnd }) => endToEnd.p99)).toFixed(1),
    ];
  });
  return toColumns([['', 'orders/s', 'range', 'of the shop', 'p50 ms', 'p99 ms'], ...rows]);
}

/** The table of what was lost and stuck after kill -9. */
export function recoveryTable(all: SystemResult[]): string {
  const rows = available(all).map(({ name, recovery }) => {
    if (!recovery) return [name, 'FAILED', '', '', '', ''];
    const { accepted, lost, stuck, restartMs, settledMs } = recovery;
    const seconds = (ms: number) => (ms / 1_000).toFixed(1);
    const settled = settledMs === undefined ? 'no' : seconds(settledMs);
    return [name, whole(accepted), whole(lost), whole(stuck), seconds(restartMs), settled];
  });
  return toColumns([['', 'accepted', 'lost', 'stuck', 'restarted, s', 'all settled, s'], ...rows]);
}

/** Why systems failed or were skipped. */
export const problems = (all: SystemResult[]): string =>
  all
    .filter(({ failure, unavailable }) => failure ?? unavailable)
    .map(({ name, failure, unavailable }) => `\n${name}: ${failure ?? `skipped: ${unavailable}`}`)
    .join('');

const available = (all: SystemResult[]) => all.filter(({ unavailable }) => unavailable === undefined);
const whole = (value: number) => Math.round(value).toLocaleString('en');

function toColumns(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, index) => Math.max(...rows.map((row) => row[index]?.length ?? 0)));
  const lineOf = (row: string[]) =>
    row
      .map((cell, index) => (index === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[index] ?? 0)))
      .join('  ');
  return rows.map((row) => lineOf(row).trimEnd()).join('\n');
}

/** Writes all measurements to reports/peers.json and returns its path. */
export function writeJson(all: object): string {
  const folder = fileURLToPath(new URL('../../reports', import.meta.url));
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/peers.json`, `${JSON.stringify({ at: new Date().toISOString(), ...all }, null, 2)}\n`);
  return `${folder}/peers.json`;
}
