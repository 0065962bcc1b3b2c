import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startPostgres } from '../../local/postgres.ts';
import { descendants, inspect, killNow } from '../../test/support/processes.ts';
import { deposit } from '../customers.ts';
import { openDatabase, type Database } from '../database.ts';
import type { Sent } from '../load.ts';
import { assertAllAccepted } from '../orders.ts';
import type { PeerName } from './options.ts';
import { schema } from './orders.ts';
import type { PeerStorage } from './peer.ts';
import type { ServeMessage } from './serve.ts';
import { Unavailable, type Missing, type RunningSystem, type System } from './system.ts';

/** One Postgres server for all peers, with the settings of the shop's own; each start of a peer gets a new database. */
export interface Harness extends Database {
  system(name: PeerName): System;
  stop(): Promise<void>;
}

export async function openHarness(): Promise<Harness> {
  const folder = mkdtempSync(path.join(tmpdir(), 'shop-peers-'));
  const server = await startPostgres({ dataDir: path.join(folder, 'server') });
  const { sql, close } = openDatabase(server.url);
  let starts = 0;
  return {
    sql,
    system: (name) => ({
      name,
      start: async (customers) => {
        starts += 1;
        const database = `peer_${starts}`;
        await sql(`create database ${database} template template0`);
        const url = new URL(server.url);
        url.pathname = `/${database}`;
        const dataDir = path.join(folder, database);
        mkdirSync(dataDir);
        const running = await startPeer(name, { databaseUrl: url.href, dataDir }, customers);
        return {
          ...running,
          stop: async () => {
            await running.stop();
            await sql(`drop database ${database} with (force)`);
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

async function startPeer(name: PeerName, storage: PeerStorage, customers: string[]): Promise<RunningSystem> {
  const database = openDatabase(storage.databaseUrl);
  await database.sql(schema);
  await database.sql('insert into accounts select customer_id, $2 from unnest($1::uuid[]) as customer_id', [
    customers,
    deposit,
  ]);
  await database.sql('vacuum analyze accounts, products');
  const accepted: string[] = [];
  let peer: PeerProcess;
  try {
    peer = await launch(name, storage);
  } catch (error) {
    await database.close();
    throw error;
  }

  return {
    target: { url: peer.url, withoutTokens: true },
    completed: async (sent) => {
      assertAllAccepted(sent);
      accepted.push(...sent.accepted.map(({ id }) => id));
      await waitForNotifications(database, accepted.length);
      return readTimes(database, sent);
    },
    check: async () => {
      const found = await database.sql<{ violation: string }>(invariants, [accepted, deposit]);
      if (found.length === 0) return;
      const lines = found.slice(0, 10).map(({ violation }) => `  ${violation}`);
      throw new Error([`${found.length} orders or accounts are wrong:`, ...lines].join('\n'));
    },
    killAndRestart: async () => {
      await peer.kill();
      peer = await launch(name, storage);
    },
    missing: async (ids) => {
      const [missing] = await database.sql<Missing>(
        `
        select (count(*) filter (where orders.id is null))::int as lost,
               (count(*) filter (where orders.id is not null and notifications.order_id is null))::int as stuck
          from unnest($1::uuid[]) as accepted (id)
          left join orders on orders.id = accepted.id
          left join notifications on order_id = accepted.id`,
        [ids],
      );
      if (!missing) throw new Error('a count returned no row');
      return missing;
    },
    stop: async () => {
      await peer.stop();
      await database.close();
    },
  };
}

/** Polls rarely, since counting slows the peer down. */
async function waitForNotifications({ sql }: Database, expected: number): Promise<void> {
  for (const deadline = Date.now() + 60_000; ; await sleep(100)) {
    const [row] = await sql<{ notified: number }>('select count(*)::int as notified from notifications');
    const notified = row?.notified ?? 0;
    if (notified >= expected) return;
    if (Date.now() > deadline) throw new Error(`${expected - notified} orders are not settled after a minute.`);
  }
}

async function readTimes({ sql }: Database, { accepted }: Sent): Promise<{ sentAt: number; notifiedAt: number }[]> {
  const rows = await sql<{ id: string; notified_at: number }>(
    `
    select order_id as id, extract(epoch from created_at)::float8 * 1000 as notified_at
      from notifications
     where order_id = any ($1::uuid[])`,
    [accepted.map(({ id }) => id)],
  );
  const byId = new Map(rows.map(({ id, notified_at: notifiedAt }) => [id, notifiedAt]));
  return accepted.map(({ id, at }) => {
    const notifiedAt = byId.get(id);
    if (notifiedAt === undefined) throw new Error(`Order ${id} was accepted, and its customer was not notified.`);
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
  select 'order ' || coalesce(orders.id, order_id) || ' is ' || status || ', its notification is ' || coalesce(template, 'missing')
    from orders
    full join notifications on order_id = orders.id
   where template is distinct from 'order-' || status
  union all
  select 'order ' || id || ' has a total that is not the sum of its lines'
    from orders
   where total is distinct from (select sum(quantity * unit_price) from order_lines where order_id = orders.id)
  union all
  select 'customer ' || customer_id || ' has ' || balance || ' after spending ' || coalesce(spent, 0)
    from accounts
    left join (select customer_id, sum(amount) as spent from ledger group by customer_id) as book using (customer_id)
   where balance <> $2::bigint - coalesce(spent, 0)`;

interface PeerProcess {
  url: string;
  stop(): Promise<void>;
  /** kill -9 of the process and its descendants. */
  kill(): Promise<void>;
}

async function launch(name: string, { databaseUrl, dataDir }: PeerStorage): Promise<PeerProcess> {
  const child = fork(fileURLToPath(new URL('serve.ts', import.meta.url)), [name, databaseUrl, dataDir], {
    execArgv: ['--no-warnings'],
    detached: true, // Ctrl-C reaches only the benchmark, which then stops the peer
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let errors = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-4_000);
  });
  const message = await Promise.race([
    once(child, 'message').then(([first]) => first as ServeMessage),
    once(child, 'exit').then((): ServeMessage => ({ failure: `it exited: ${errors}` })),
  ]);
  if ('url' in message) {
    return {
      url: message.url,
      stop: () => stop(child),
      kill: async () => {
        const all = [child.pid ?? 0, ...descendants(child.pid ?? 0).map(({ pid }) => pid)];
        all.forEach(killNow);
        while (all.some((pid) => inspect(pid))) await sleep(10);
      },
    };
  }
  await stop(child);
  throw 'unavailable' in message ? new Unavailable(message.unavailable) : new Error(message.failure);
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  if (child.connected) child.disconnect();
  await exited;
}
