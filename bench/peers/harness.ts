import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { startPostgres } from '../../local/postgres.ts';
import { descendants, inspect, killNow } from '../../test/support/processes.ts';
import type { Sent } from '../load.ts';
import type { Database } from '../shop.ts';
import { refuseRefusals, type System, type Missing, type Running, type Told } from './system.ts';
import type { PeerName } from './options.ts';
import { schema } from './orders.ts';
import { Absent } from './peer.ts';
import type { Word } from './serve.ts';

/** One Postgres server for all peers, set as the shop's own is; each turn has a database of its own on it. */
export interface Harness extends Database {
  system(name: PeerName): System;
  stop(): Promise<void>;
}

// enough for the cheapest product all day
const deposit = 100_000_000;

export async function openHarness(): Promise<Harness> {
  const folder = mkdtempSync(path.join(tmpdir(), 'shop-peers-'));
  const server = await startPostgres({ dataDir: path.join(folder, 'server') });
  const { query, close } = openDatabase(server.url);
  let turns = 0;
  return {
    sql: query,
    system: (name) => ({
      name,
      start: async (customers) => {
        turns += 1;
        const database = `peer_${turns}`;
        await query(`create database ${database} template template0`);
        const url = new URL(server.url);
        url.pathname = `/${database}`;
        const dataDir = path.join(folder, database);
        mkdirSync(dataDir);
        const running = await startPeer(name, { databaseUrl: url.href, dataDir, customers });
        return {
          ...running,
          stop: async () => {
            await running.stop();
            await query(`drop database ${database} with (force)`);
            rmSync(dataDir, { recursive: true });
          },
        };
      },
    }),
    stop: async () => {
      await close();
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

interface Stage {
  databaseUrl: string;
  dataDir: string;
  customers: string[];
}

async function startPeer(name: PeerName, { databaseUrl, dataDir, customers }: Stage): Promise<Running> {
  const database = openDatabase(databaseUrl);
  const { query } = database;
  await query(schema);
  await query('insert into accounts select customer_id, $2 from unnest($1::uuid[]) as customer_id', [
    customers,
    deposit,
  ]);
  await query('vacuum analyze accounts, products');
  const accepted: string[] = [];
  let child: PeerProcess;
  try {
    child = await launch(name, databaseUrl, dataDir);
  } catch (error) {
    await database.close();
    throw error;
  }

  return {
    guarantees: child.guarantees,
    begin: { url: child.url, withoutTokens: true },
    completed: async (sent) => {
      refuseRefusals(sent);
      accepted.push(...sent.accepted.map(({ id }) => id));
      await allNotified(database, accepted.length);
      return whenNotified(database, sent);
    },
    check: async () => {
      const found = await query<{ violation: string }>(invariants, [accepted, deposit]);
      if (found.length === 0) return;
      const lines = found.slice(0, 10).map(({ violation }) => `  ${violation}`);
      throw new Error([`${found.length} orders or accounts are wrong:`, ...lines].join('\n'));
    },
    killAndRestart: async () => {
      await child.kill();
      child = await launch(name, databaseUrl, dataDir);
    },
    missing: async (ids) => {
      const [found] = await query<Missing>(
        `
        select (count(*) filter (where orders.id is null))::int as lost,
               (count(*) filter (where orders.id is not null and notifications.order_id is null))::int as stuck
          from unnest($1::uuid[]) as accepted (id)
          left join orders on orders.id = accepted.id
          left join notifications on order_id = accepted.id`,
        [ids],
      );
      if (!found) throw new Error('a count gave no row');
      return found;
    },
    stop: async () => {
      await child.stop();
      await database.close();
    },
  };
}

/** Every notification is there. Polled rarely: counting takes from what the peer could have. */
async function allNotified({ query }: OpenDatabase, count: number): Promise<void> {
  const began = Date.now();
  for (let told = 0; ; await sleep(100)) {
    const [row] = await query<{ told: number }>('select count(*)::int as told from notifications');
    told = row?.told ?? 0;
    if (told >= count) return;
    if (Date.now() > began + 60_000) throw new Error(`${count - told} orders are not decided after a minute.`);
  }
}

async function whenNotified({ query }: OpenDatabase, { accepted }: Sent): Promise<Told[]> {
  const rows = await query<{ id: string; told_at: number }>(
    `
    select order_id as id, extract(epoch from created_at)::float8 * 1000 as told_at
      from notifications
     where order_id = any ($1::uuid[])`,
    [accepted.map(({ id }) => id)],
  );
  const byId = new Map(rows.map(({ id, told_at: notifiedAt }) => [id, notifiedAt]));
  return accepted.map(({ id, at }) => {
    const notifiedAt = byId.get(id);
    if (notifiedAt === undefined) throw new Error(`Order ${id} was accepted, and nobody was told.`);
    return { sentAt: at, notifiedAt };
  });
}

const invariants = `
  select 'order ' || accepted.id || ' was accepted and is not stored' as violation
    from unnest($1::uuid[]) as accepted (id)
    left join orders using (id)
   where orders.id is null
  union all
  select 'order ' || id || ' is ' || status || ', and its customer had the money'
    from orders
   where status <> 'paid'
  union all
  select 'order ' || coalesce(orders.id, order_id) || ' of ' || coalesce(total, 0) || ' has a charge of ' || coalesce(amount, 0)
    from orders
    full join ledger on order_id = orders.id
   where total is distinct from amount or orders.customer_id is distinct from ledger.customer_id
  union all
  select 'order ' || coalesce(orders.id, order_id) || ' is ' || status || ', its customer was told ' || coalesce(template, 'nothing')
    from orders
    full join notifications on order_id = orders.id
   where template is distinct from 'order-' || status
  union all
  select 'order ' || id || ' has no lines that make its total'
    from orders
   where total is distinct from (select sum(quantity * unit_price) from order_lines where order_id = orders.id)
  union all
  select 'customer ' || customer_id || ' has ' || balance || ' after spending ' || coalesce(spent, 0)
    from accounts
    left join (select customer_id, sum(amount) as spent from ledger group by customer_id) as book using (customer_id)
   where balance <> $2::bigint - coalesce(spent, 0)`;

interface OpenDatabase {
  query<Row extends object>(text: string, values?: unknown[]): Promise<Row[]>;
  close(): Promise<void>;
}

function openDatabase(connectionString: string): OpenDatabase {
  const pool = new pg.Pool({ connectionString, max: 1 });
  pool.on('error', () => undefined);
  return {
    query: async <Row extends object>(text: string, values?: unknown[]) => (await pool.query<Row>(text, values)).rows,
    close: () => pool.end(),
  };
}

interface PeerProcess {
  url: string;
  guarantees: string;
  stop(): Promise<void>;
  /** kill -9 of it and of what it has started. */
  kill(): Promise<void>;
}

async function launch(name: string, databaseUrl: string, dataDir: string): Promise<PeerProcess> {
  const child = fork(fileURLToPath(new URL('serve.ts', import.meta.url)), [name, databaseUrl, dataDir], {
    execArgv: ['--no-warnings'],
    detached: true, // Ctrl-C reaches the benchmark alone, which then ends it in order
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4_000);
  });
  const word = await Promise.race([
    once(child, 'message').then(([first]) => first as Word),
    once(child, 'exit').then((): Word => ({ failure: `it has ended: ${said}` })),
  ]);
  if ('url' in word) {
    return {
      ...word,
      stop: () => letGo(child),
      kill: async () => {
        const all = [child.pid ?? 0, ...descendants(child.pid ?? 0).map(({ pid }) => pid)];
        all.forEach(killNow);
        while (all.some((pid) => inspect(pid))) await sleep(10);
      },
    };
  }
  await letGo(child);
  throw 'absent' in word ? new Absent(word.absent) : new Error(word.failure);
}

async function letGo(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  if (child.connected) child.disconnect();
  await gone;
}
