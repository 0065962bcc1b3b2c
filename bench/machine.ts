import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { cpus, freemem, loadavg, tmpdir, totalmem } from 'node:os';
import path from 'node:path';
import type { Database } from './database.ts';

export interface Machine {
  cores: number;
  model: string;
  memoryGb: number;
  freeMemoryGb: number;
  /** Runnable processes, over the last minute and the last five. */
  load: [number, number];
  node: string;
  platform: string;
  /** Durable writes of 8 KB per second, one after the other, on the disk that holds the shop's data. */
  fsyncsPerSecond: number;
}

/** The machine that the figures were measured on. */
export function inspectMachine(): Machine {
  const gb = (bytes: number) => Math.round(bytes / 2 ** 30);
  const [oneMinute = 0, fiveMinutes = 0] = loadavg();
  return {
    cores: cpus().length,
    model: cpus()[0]?.model ?? 'unknown',
    memoryGb: gb(totalmem()),
    freeMemoryGb: gb(freemem()),
    load: [oneMinute, fiveMinutes],
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    fsyncsPerSecond: fsyncRate(path.join(tmpdir(), `shop-bench-fsync-${process.pid}`)),
  };
}

function fsyncRate(file: string): number {
  const page = Buffer.alloc(8_192, 1);
  const fd = openSync(file, 'w');
  try {
    const began = performance.now();
    let times = 0;
    for (; performance.now() - began < 500; times += 1) {
      writeSync(fd, page, 0, page.length, 0);
      fdatasyncSync(fd);
    }
    return Math.round((times / (performance.now() - began)) * 1_000);
  } finally {
    closeSync(fd);
    rmSync(file);
  }
}

/** Settings by name, as the server reports them to the shop's user. */
export type PostgresSettings = Record<string, string>;

const reported = [
  ...['server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'wal_sync_method', 'wal_level'],
  ...['shared_buffers', 'max_wal_size', 'checkpoint_timeout', 'wal_buffers', 'commit_delay', 'max_connections'],
  ...['jit', 'autovacuum', 'autovacuum_naptime', 'data_checksums'],
];

export async function readSettings(database: Database): Promise<PostgresSettings> {
  const rows = await database.sql<{ name: string; value: string }>(
    'select name, current_setting(name) as value from unnest($1::text[]) as name',
    [reported],
  );
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
}

/** Why figures from this server would be meaningless: it confirms commits that a power failure would lose. */
export function explainRejection({ fsync, synchronous_commit: commit }: PostgresSettings): string | undefined {
  const off = [...(fsync === 'on' ? [] : ['fsync']), ...(commit === 'off' ? ['synchronous_commit'] : [])];
  if (off.length === 0) return undefined;
  return `Postgres has ${off.join(' and ')} switched off, so a power failure would lose confirmed commits: nothing is measured.`;
}
