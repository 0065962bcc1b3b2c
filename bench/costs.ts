import { readFileSync } from 'node:fs';
import { descendants, functionOf, inspect } from '#test/support/processes.ts';
import type { Shop } from './shop.ts';

/** What a process of the shop runs. In one process the broker counts as functions. */
export type Group = 'functions' | 'postgres' | 'broker' | 'catcher';
export const groups: readonly Group[] = ['functions', 'postgres', 'broker', 'catcher'];

/** Resources used so far; a cost is the difference of two readings. */
export interface Counters {
  cpuMs: Record<Group, number>;
  /** CPU time of all programs on this machine. */
  machineMs: number;
  walBytes: number;
  /** Transactions that wrote. */
  writes: number;
  /** All transactions; a backend reports them up to a second late. */
  commits: number;
  atMs: number;
}

// Linux counts CPU time in ticks, 100 per second on every platform of Node
const msPerTick = 10;

interface ShopProcess {
  pid: number;
  group: Group;
  /** The function that it runs, if it runs only one. */
  name: string | undefined;
}

/** The processes of a shop with their groups. */
export function processesOf(shopPid: number): ShopProcess[] {
  const shop = inspect(shopPid);
  const all = [...(shop ? [shop] : []), ...descendants(shopPid)];
  const groupOf = new Map<number, Group>();
  // descendants are listed level by level, so a parent has its group before its children
  return all.map(({ pid, parent, command }) => {
    const above = groupOf.get(parent);
    const group = above && above !== 'functions' ? above : ownGroup(command);
    groupOf.set(pid, group);
    return { pid, group, name: group === 'functions' ? functionOf(pid) : undefined };
  });
}

function ownGroup(command: string): Group {
  if (/bin\/postgres\b/.test(command)) return 'postgres';
  if (command.includes('local/broker/main')) return 'broker';
  return command.includes('mail-catcher-main') ? 'catcher' : 'functions';
}

export async function readCounters(shop: Shop): Promise<Counters> {
  const [row] = await shop.sql<{ wal: string; xid: string; commits: string }>(
    `
    select pg_current_wal_insert_lsn() - '0/0' as wal,
           pg_snapshot_xmax(pg_current_snapshot()) as xid,
           (select sum(xact_commit) from pg_stat_database) as commits`,
  );
  const cpuMs: Counters['cpuMs'] = { functions: 0, postgres: 0, broker: 0, catcher: 0 };
  for (const { pid, group } of processesOf(shop.pid)) cpuMs[group] += cpuMsOf(pid);
  return {
    cpuMs,
    machineMs: machineMs(),
    walBytes: Number(row?.wal),
    writes: Number(row?.xid),
    commits: Number(row?.commits),
    atMs: performance.now(),
  };
}

/** CPU time of a process and of its children that have exited: proc(5), utime to cstime. */
export function cpuMsOf(pid: number): number {
  try {
    const afterName = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return afterName.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) * msPerTick;
  } catch {
    return 0; // it has exited; its parent now counts it
  }
}

/** proc(5), /proc/stat: user, nice, system, (idle, iowait,) irq, softirq, steal. */
export function machineMs(): number {
  const [, user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'utf8').split(/\s+/).map(Number);
  return [user, nice, system, irq, softirq, steal].reduce<number>((sum, ticks = 0) => sum + ticks, 0) * msPerTick;
}

/** Resident memory in MB of each process that runs functions. */
export function memoryOfFunctions(shopPid: number): { name: string; mb: number }[] {
  return processesOf(shopPid)
    .filter(({ group }) => group === 'functions')
    .map(({ pid, name }) => ({ name: name ?? (pid === shopPid ? 'shop' : 'other'), mb: residentMb(pid) }));
}

function residentMb(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1_024;
  } catch {
    return 0;
  }
}

/** Runs `work` and returns the peak memory of any process of functions meanwhile, in MB. */
export async function trackPeakMemory<Result>(
  shopPid: number,
  work: () => Promise<Result>,
): Promise<{ result: Result; peakMb: number }> {
  let peakMb = 0;
  const measure = () => {
    peakMb = Math.max(peakMb, ...memoryOfFunctions(shopPid).map(({ mb }) => mb));
  };
  const timer = setInterval(measure, 500);
  try {
    const result = await work();
    measure();
    return { result, peakMb };
  } finally {
    clearInterval(timer);
  }
}
