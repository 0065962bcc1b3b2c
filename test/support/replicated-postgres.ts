import { execFileSync } from 'node:child_process';
import { appendFileSync, chmodSync, chownSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { startPostgres, type Postgres } from '#local/postgres.ts';
import { killNow } from './processes.ts';
import { until } from './until.ts';

/** A primary, each of whose commits waits for its standby. */
export interface ReplicatedPostgres {
  /** The URL of the primary; after a promotion that of the former standby. */
  url(): string;
  standbyPort(): number;
  stopStandby(): Promise<void>;
  /** Resolves once the standby follows the primary. */
  startStandby(): Promise<void>;
  killPrimary(): void;
  /** Makes the standby the primary, whose commits wait for no other server. */
  promote(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts two embedded servers, with streaming replication between them. */
export async function startReplicatedPostgres(): Promise<ReplicatedPostgres> {
  const folder = mkdtempSync(path.join(tmpdir(), 'shop-replicated-'));
  chmodSync(folder, 0o755);
  const [first, second] = [path.join(folder, 'first'), path.join(folder, 'second')];
  const original = await startPostgres({ dataDir: first });
  await original.stop();
  execFileSync('cp', ['-a', first, second]);
  makeStandby(path.join(second, 'postgres'), original.url);

  const primary = await startPostgres({ dataDir: first, port: original.port });
  let standby: Postgres | undefined;
  const stop = async () => {
    await Promise.all([primary.stop(), standby?.stop()]);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    standby = await startPostgres({ dataDir: second });
    await inSync(primary);
    await query(primary.url, `alter system set synchronous_standby_names = 'any 1 (s1)'`);
    await query(primary.url, 'select pg_reload_conf()');
    await until('commits wait for the standby', async () => (await stateOf(primary)) === 'quorum');
  } catch (error) {
    await stop();
    throw error;
  }
  let follower = standby;
  let current = primary;
  return {
    url: () => current.url,
    standbyPort: () => follower.port,
    stopStandby: () => follower.stop(),
    startStandby: async () => {
      standby = follower = await startPostgres({ dataDir: second, port: follower.port });
      await inSync(primary);
    },
    killPrimary: () => killNow(primary.pid),
    promote: async () => {
      await query(follower.url, 'select pg_promote(true)');
      current = follower;
    },
    stop,
  };
}

function makeStandby(dataFolder: string, primaryUrl: string): void {
  const { hostname, port, username, password } = new URL(primaryUrl);
  const primary = `host=${hostname} port=${port} user=${username} password=${password} application_name=s1`;
  appendFileSync(path.join(dataFolder, 'postgresql.auto.conf'), `primary_conninfo = '${primary}'\n`);
  const signal = path.join(dataFolder, 'standby.signal');
  writeFileSync(signal, '');
  const { uid, gid } = statSync(dataFolder);
  chownSync(signal, uid, gid);
}

async function inSync(primary: Postgres): Promise<void> {
  await until('the standby follows the primary', async () => (await stateOf(primary)) !== undefined);
}

/** How the standby takes part in commits: `async` or `quorum`; undefined while it does not follow. */
async function stateOf({ url }: Postgres): Promise<string | undefined> {
  const text = `select sync_state from pg_stat_replication where application_name = 's1' and state = 'streaming'`;
  return (await query<{ sync_state: string }>(url, text))[0]?.sync_state;
}

async function query<Row extends object>(url: string, text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end();
  }
}
