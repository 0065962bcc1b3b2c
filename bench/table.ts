import type { Saturation } from './saturation.ts';
import type { Measured } from './measure.ts';
import { groups } from './costs.ts';
import { median } from './statistics.ts';
import type { Latency } from './statistics.ts';

/** A figure with one value per repetition, and its bounds: `must` is the limit, `goal` the target. */
export interface Row {
  label: string;
  values: number[];
  digits?: number;
  must?: number;
  goal?: number;
  /** By default lower values are better. */
  better?: 'more';
}

/** A line of the table: a figure, a heading or a note. */
export type Line = Row | string;

const isDefined = <Value>(value: Value | undefined): value is Value => value !== undefined;

/** The table of one mode. */
export function tableOf(measured: Measured): Line[] {
  const { starts, repetitions, mode } = measured;
  const one = mode === 'one process';
  const of = (value: (saturation: Saturation) => number) => repetitions.map(({ saturation }) => value(saturation));
  const ofSingle = repetitions.map(({ single }) => single);
  const ofBatched = repetitions.map(({ batched }) => batched);
  const share = (baseline: { ordersPerSecond: number }[]) =>
    repetitions.map(
      ({ saturation }, index) => saturation.ordersPerSecond / (baseline[index]?.ordersPerSecond ?? Number.NaN),
    );
  return [
    'start, ms',
    { label: 'first start → /healthz', values: starts.map(({ first }) => first.healthyMs) },
    {
      label: 'first start → first order accepted',
      values: starts.map(({ first }) => first.firstOrderMs),
      ...(one && { must: 5_000, goal: 3_000 }),
    },
    { label: 'later start → /healthz', values: starts.map(({ later }) => later.healthyMs) },
    {
      label: 'later start → first order accepted',
      values: starts.map(({ later }) => later.firstOrderMs),
      ...(one && { must: 2_000, goal: 1_000 }),
    },

    'saturation, 32 connections, closed loop',
    {
      label: 'orders/s to completion',
      values: of(({ ordersPerSecond }) => ordersPerSecond),
      ...(one ? { must: 2_000, goal: 4_000 } : { must: 400, goal: 650 }),
      better: 'more',
    },
    ...latencyRows('accept (202)', of, ({ accept }) => accept),
    { label: 'mails/s', values: of(({ mails }) => mails.perSecond), better: 'more' },
    { label: 'last notification → last mail, ms', values: of(({ mails }) => mails.afterMs) },
    ...mailNotes(repetitions.map(({ saturation }) => saturation)),

    'the same SQL without HTTP, events and mails (baseline)',
    { label: 'one order per statement, orders/s', values: ofSingle.map(({ ordersPerSecond }) => ordersPerSecond) },
    { label: 'batched as in the functions, orders/s', values: ofBatched.map(({ ordersPerSecond }) => ordersPerSecond) },
    { label: '  statements per order', values: ofBatched.map((one) => one.statementsPerOrder), digits: 2 },
    { label: '  CPU ms of Postgres', values: ofBatched.map(({ postgresCpuMs }) => postgresCpuMs), digits: 2 },
    { label: '  latency p50, ms', values: ofBatched.map(({ p50 }) => p50), digits: 1 },
    { label: '  latency p99, ms', values: ofBatched.map(({ p99 }) => p99), digits: 1 },
    { label: 'shop / one order per statement', values: share(ofSingle), digits: 2, better: 'more' },
    { label: 'shop / batched', values: share(ofBatched), digits: 2, better: 'more' },

    'cost of an order at saturation',
    {
      label: 'CPU ms, without the load generator',
      values: of(({ cost }) => cost.totalCpuMs),
      digits: 2,
      ...(one && { must: 0.8, goal: 0.45 }),
    },
    ...groups.map((group) => ({ label: `  ${group}`, values: of(({ cost }) => cost.cpuMs[group]), digits: 2 })),
    { label: 'CPU ms, including the mail', values: of((s) => s.costWithMails.totalCpuMs), digits: 2 },
    ...groups.map((group) => ({ label: `  ${group}`, values: of((s) => s.costWithMails.cpuMs[group]), digits: 2 })),
    { label: 'CPU ms, load generator', values: of(({ generatorCpuMs }) => generatorCpuMs), digits: 2 },
    {
      label: 'commits with writes',
      values: of(({ cost }) => cost.writes),
      digits: 2,
      ...(one && { must: 4, goal: 1 }),
    },
    { label: 'all commits', values: of(({ cost }) => cost.commits), digits: 2 },
    { label: 'WAL bytes', values: of(({ cost }) => cost.walBytes) },
    { label: 'cores used by other programs', values: of(({ foreignCores }) => foreignCores), digits: 2 },

    'fixed rates, open loop, from the intended time, ms',
    ...ratesOf(measured).flatMap((rate) => rowsOfRate(measured, rate)),
    ...sqlAt100(measured),
    ...(measured.tooFast.length > 0
      ? [
          `  ${measured.tooFast.toSorted((a, b) => a - b).join(', ')}/s: skipped where it is more than 80 % of the saturation`,
        ]
      : []),

    ...specialCases(measured),

    'memory, MB',
    ...memoryRows(measured),
  ];
}

function latencyRows(
  label: string,
  of: (value: (saturation: Saturation) => number) => number[],
  which: (saturation: Saturation) => Latency,
): Row[] {
  return [
    { label: `${label}, p50 ms`, values: of((saturation) => which(saturation).p50), digits: 1 },
    { label: `${label}, p99 ms`, values: of((saturation) => which(saturation).p99), digits: 1 },
  ];
}

function mailNotes(saturations: Saturation[]): string[] {
  const queued = saturations.map(({ mails }) => mails.queued);
  return queued.some((count) => count > 0) ? [`  not sent before the timeout: ${queued.join(', ')}`] : [];
}

const ratesOf = ({ repetitions }: Measured): number[] => [
  ...new Set(repetitions.flatMap(({ steady }) => steady.map(({ rate }) => rate))),
];

function rowsOfRate({ repetitions, mode }: Measured, rate: number): Row[] {
  const found = repetitions.flatMap(({ steady }) => steady.filter((one) => one.rate === rate));
  const judged = mode === 'one process' && rate === 100;
  const mailed = found.map((one) => one.mailed).filter(isDefined);
  return [
    { label: `${rate}/s: accept p50`, values: found.map(({ accept }) => accept.p50), digits: 1 },
    {
      label: `${rate}/s: accept p99`,
      values: found.map(({ accept }) => accept.p99),
      digits: 1,
      ...(judged && { must: 12, goal: 8 }),
    },
    {
      label: `${rate}/s: end to end p50`,
      values: found.map(({ endToEnd }) => endToEnd.p50),
      digits: 1,
      ...(judged && { must: 5, goal: 3 }),
    },
    {
      label: `${rate}/s: end to end p99`,
      values: found.map(({ endToEnd }) => endToEnd.p99),
      digits: 1,
      ...(judged && { must: 15, goal: 10 }),
    },
    {
      label: `${rate}/s: mail accepted p99`,
      values: mailed.map(({ p99 }) => p99),
      digits: 1,
      ...(judged && { must: 60, goal: 40 }),
    },
  ];
}

function sqlAt100({ repetitions }: Measured): Row[] {
  const results = repetitions.map(({ batchedAt100 }) => batchedAt100).filter(isDefined);
  return [
    { label: '100/s: baseline p50', values: results.map(({ p50 }) => p50), digits: 1 },
    { label: '100/s: baseline p99', values: results.map(({ p99 }) => p99), digits: 1 },
  ];
}

function specialCases({ hot, grown, soak, replicas, repetitions }: Measured): Line[] {
  const lines: Line[] = [];
  if (hot) {
    lines.push(
      '100/s on one account, open loop, ms',
      { label: 'end to end p50', values: [hot.endToEnd.p50], digits: 1 },
      { label: 'end to end p99', values: [hot.endToEnd.p99], digits: 1 },
    );
  }
  if (grown) {
    const { ordersPerSecond, cost } = grown.saturation;
    const before = median(repetitions.map(({ saturation }) => saturation.cost.totalCpuMs));
    lines.push(
      `saturation with ${grown.stored.toLocaleString('en')} stored orders`,
      { label: 'orders/s to completion', values: [ordersPerSecond], better: 'more' },
      { label: 'CPU ms, without the load generator', values: [cost.totalCpuMs], digits: 2 },
      { label: '  relative to before', values: [cost.totalCpuMs / before], digits: 2, must: 1.3, goal: 1.1 },
    );
  }
  if (replicas) {
    lines.push(
      'saturation with several processes of each function except the storefront',
      ...replicas.map(({ replicas: count, saturation }): Row => {
        return {
          label: `${count} of each: orders/s to completion`,
          values: [saturation.ordersPerSecond],
          better: 'more',
        };
      }),
    );
  }
  if (soak) {
    lines.push(
      `saturation for ${soak.ordersPerSecond.length} minutes, with an open transaction`,
      { label: 'orders/s to completion, each minute', values: soak.ordersPerSecond, better: 'more' },
      {
        label: '  last minute / first minute',
        values: [lastByFirst(soak.ordersPerSecond)],
        digits: 2,
        better: 'more',
      },
      { label: 'CPU ms per order, functions, each minute', values: soak.functionsCpuMs, digits: 2 },
      { label: '  last minute / first minute', values: [lastByFirst(soak.functionsCpuMs)], digits: 2 },
      { label: 'CPU ms per order, Postgres, each minute', values: soak.postgresCpuMs, digits: 2 },
      { label: '  last minute / first minute', values: [lastByFirst(soak.postgresCpuMs)], digits: 2 },
      { label: 'memory of the functions, MB, each minute', values: soak.peakMb },
      { label: '  last minute / first minute', values: [lastByFirst(soak.peakMb)], digits: 2 },
    );
  }
  return lines;
}

const lastByFirst = (values: number[]) => (values.at(-1) ?? Number.NaN) / (values[0] ?? Number.NaN);

function memoryRows({ mode, memoryAtStart, repetitions }: Measured): Row[] {
  const underLoad = { label: 'functions under load, peak', values: repetitions.map((r) => r.saturation.peakMb) };
  const atStart = (name: string) => memoryAtStart.filter((one) => one.name === name).map(({ mb }) => mb);
  if (mode === 'one process') {
    return [
      { label: 'the process of all functions at start', values: atStart('shop') },
      { ...underLoad, must: 250, goal: 180 },
    ];
  }
  const functions = memoryAtStart.filter(({ name }) => name !== 'shop').map(({ mb }) => mb);
  return [
    { label: 'a function at start, median', values: [median(functions)] },
    { label: 'a function at start, largest', values: [Math.max(...functions)], must: 100, goal: 80 },
    { label: 'the process that starts them', values: atStart('shop') },
    { ...underLoad, label: 'a function under load, peak' },
  ];
}
