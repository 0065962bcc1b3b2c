import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { median } from '../statistics.ts';
import type { Turn } from './system.ts';
import type { Aftermath } from './contest.ts';

/** Everything about one system; `turns` has an entry a round. */
export interface Score {
  name: string;
  guarantees: string;
  turns: Turn[];
  aftermath?: Aftermath;
  failure?: string;
  /** What this machine lacks for it. */
  absent?: string;
}

/** The table of the speeds, with the promises below. */
export function speeds(all: Score[]): string {
  const scores = present(all);
  const shop = scores.find(({ name }) => name === 'shop')?.turns ?? [];
  const rows = scores.map(({ name, turns, failure }) => {
    if (failure !== undefined) return [name, 'FAILED', '', '', '', ''];
    const rates = turns.map(({ ordersPerSecond }) => ordersPerSecond);
    const shares = turns.map(({ ordersPerSecond }, round) => ordersPerSecond / (shop[round]?.ordersPerSecond ?? NaN));
    return [
      name,
      whole(median(rates)),
      `${whole(Math.min(...rates))} – ${whole(Math.max(...rates))}`,
      median(shares).toFixed(2),
      median(turns.map(({ endToEnd }) => endToEnd.p50)).toFixed(1),
      median(turns.map(({ endToEnd }) => endToEnd.p99)).toFixed(1),
    ];
  });
  return inColumns([['', 'orders/s', 'range', 'of the shop', 'p50 ms', 'p99 ms'], ...rows]);
}

/** The table of what kill -9 left. */
export function aftermaths(all: Score[]): string {
  const rows = present(all).map(({ name, aftermath }) => {
    if (!aftermath) return [name, 'FAILED', '', '', '', ''];
    const { accepted, lost, stuck, restartMs, decidedMs } = aftermath;
    const seconds = (ms: number) => (ms / 1_000).toFixed(1);
    const decided = decidedMs === undefined ? 'no' : seconds(decidedMs);
    return [name, whole(accepted), whole(lost), whole(stuck), seconds(restartMs), decided];
  });
  return inColumns([['', 'accepted', 'lost', 'stuck', 'restarted, s', 'all decided, s'], ...rows]);
}

/** What each promises, and why one failed. */
export const remarks = (scores: Score[]): string =>
  scores
    .map(
      ({ name, guarantees, failure, absent }) =>
        `${name.padEnd(16)} ${failure ?? (absent ? `left out: ${absent}` : guarantees)}`,
    )
    .join('\n');

const present = (all: Score[]) => all.filter(({ absent }) => absent === undefined);
const whole = (value: number) => Math.round(value).toLocaleString('en');

function inColumns(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, index) => Math.max(...rows.map((row) => row[index]?.length ?? 0)));
  const lineOf = (row: string[]) =>
    row
      .map((cell, index) => (index === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[index] ?? 0)))
      .join('  ');
  return rows.map((row) => lineOf(row).trimEnd()).join('\n');
}

/** Everything that was measured, for machines. */
export function writeJson(all: object): string {
  const folder = fileURLToPath(new URL('../../reports', import.meta.url));
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/peers.json`, `${JSON.stringify({ at: new Date().toISOString(), ...all }, null, 2)}\n`);
  return `${folder}/peers.json`;
}
