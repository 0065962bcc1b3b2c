import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { migrate } from '#database/migrate.ts';
import { startPostgres } from '#local/postgres.ts';
import { descendants } from '#test/support/processes.ts';
import { cpuMsOf, machineMs } from './costs.ts';
import { seed } from './customers.ts';
import { openDatabase, type Database } from './database.ts';
import { byShard } from './shards-route.ts';

/**
 * A shard: a Postgres server of its own, as it would have on another machine. Databases of one server would share its
 * write-ahead log, and so commits of several shards would be flushed together, which shards on different machines cannot.
 */
export interface Shard extends Database {
  url: string;
  pid: number;
  customers: string[];
}

/** Resources that the servers of all shards have used so far. */
export interface ShardCounters {
  cpuMs: number;
  /** CPU time of all programs on this machine. */
  machineMs: number;
  walBytes: number;
  /** Transactions that wrote, each with its own commit. */
  writes: number;
  /** All transactions: each statement is one. */
  statements: number;
  atMs: number;
}

/** Starts a server for each shard, with its customers. `onStop` gets what stops them. */
export async function startShards(
  count: number,
  userIds: string[],
  folder: string,
  onStop: (stop: () => Promise<void>) => void,
): Promise<Shard[]> {
  const shards: Shard[] = [];
  for (const [index, customers] of byShard(userIds, count).entries()) {
    const server = await startPostgres({ dataDir: path.join(folder, `${index + 1}-of-${count}`) });
    onStop(() => server.stop());
    await migrate(server.url);
    const database = openDatabase(server.url);
    onStop(() => database.close());
    await seed(database, customers);
    shards.push({ ...database, pid: server.pid, customers });
  }
  return shards;
}

/** Brings all shards into the same state before a measurement. */
export async function settle(shards: Shard[]): Promise<void> {
  for (const { sql } of shards) {
    await sql('vacuum (analyze)');
    await sql('checkpoint');
  }
  await sleep(1_500); // the disk is still writing what it has confirmed
}

/** Reads the counters of all shards, summed up. */
export async function readCounters(shards: Shard[]): Promise<ShardCounters> {
  const sum = { cpuMs: 0, walBytes: 0, writes: 0, statements: 0 };
  for (const { sql, pid } of shards) {
    const [row] = await sql<Record<'wal' | 'xid' | 'commits', string>>(`
      select pg_current_wal_insert_lsn() - '0/0' as wal,
             pg_snapshot_xmax(pg_current_snapshot()) as xid,
             (select sum(xact_commit) from pg_stat_database) as commits`);
    sum.walBytes += Number(row?.wal);
    sum.writes += Number(row?.xid);
    sum.statements += Number(row?.commits);
    for (const one of [pid, ...descendants(pid).map((child) => child.pid)]) sum.cpuMs += cpuMsOf(one);
  }
  return { ...sum, machineMs: machineMs(), atMs: performance.now() };
}

/** What the tables and indexes of orders occupy, vacuumed, and how many orders they hold. */
export async function readStorage(shards: Shard[]): Promise<{ bytes: number; orders: number }> {
  const sum = { bytes: 0, orders: 0 };
  for (const { sql } of shards) {
    const [row] = await sql<{ bytes: number; orders: number }>(`
      select sum(pg_total_relation_size(c.oid))::bigint as bytes, (select count(*) from ordering.orders) as orders
        from pg_class c
       where c.relkind = 'r'
         and c.relnamespace in ('billing'::regnamespace, 'ordering'::regnamespace, 'notifying'::regnamespace)`);
    sum.bytes += row?.bytes ?? 0;
    sum.orders += row?.orders ?? 0;
  }
  return sum;
}
