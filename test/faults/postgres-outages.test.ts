import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import pg from 'pg';
import { roleOf } from '#database/roles.ts';
import { functionNames } from '#local/functions.ts';
import { customersWith, customerWith, type Customer } from '#test/support/customers.ts';
import { useEverything } from '#test/support/everything.ts';
import { expectSound } from '#test/support/invariants.ts';
import { settledAndNotified, hurryMails, outcomes, placeOrders } from '#test/support/load.ts';
import { descendants } from '#test/support/processes.ts';
import { startShop, type Shop } from '#test/support/shop.ts';
import { record, sized } from '#test/support/sizes.ts';
import { report, until } from '#test/support/until.ts';

// Outages of Postgres under load: no process of the shop exits, no order is rejected as unaffordable, and after the
// outage every order is settled and notified.

jest.setTimeout(240_000);

const modes = [
  { mode: 'each function a process of its own', processes: true },
  { mode: 'all functions in one process', processes: false },
].slice(0, sized(1, 2));

/** The full disk is a small tmpfs: only root may mount it, and not in every container. */
const mayMount = canMount();
if (!mayMount) report('skipping the test of a full disk: this process may not mount a tmpfs');

describe.each(modes)('$mode', ({ processes }) => {
  let shop: Shop;
  /** The test's own session, which faults of the shop's sessions do not affect. */
  let own: pg.Client;
  beforeAll(async () => {
    shop = await startShop({ processes });
    if (processes) await useEverything(shop); // so that each function has sessions
  });
  afterAll(() => shop?.stop());

  if (!processes || sized(0, 1) === 1) {
    test('settles and notifies every order after an immediate restart', async () => {
      await underLoad('immediate restart', async () => signal([postmaster()], 'SIGQUIT'));
    });
  }

  if (processes) {
    // the supervisor is stopped meanwhile, or it would restart Postgres; in one process the functions would stop as
    // well
    // promise: database-outage
    test('settles and notifies every order after Postgres was down for 2 s', async () => {
      await underLoad('down for 2 s', async () => {
        signal([shop.pid], 'SIGSTOP');
        try {
          signal([postmaster()], 'SIGQUIT');
          await pause(2_000);
        } finally {
          signal([shop.pid], 'SIGCONT');
        }
      });
    });
  }

  test('settles and notifies every order when the sessions of each function are terminated', async () => {
    const roles = processes ? functionNames.map(roleOf) : ['shop_functions'];
    await underLoad('sessions of each function terminated', async () => {
      for (const role of roles) {
        // a function without a session opens one for its next statement
        await until(`a session of ${role} was terminated`, async () => {
          const { rows } = await own.query(
            'select pg_terminate_backend(pid) from pg_stat_activity where usename = $1',
            [role],
          );
          return rows.length > 0;
        });
      }
    });
  });

  test('accepts the next order at once when all sessions were terminated while idle', async () => {
    const before = pids();
    const customer = await customerWith(shop, 1_000);
    await expectSound(shop);
    await inOwnSession(async () => {
      await terminateAll();
      const allGone = async () => (await own.query(ofTheShop('select pid'))).rows.length === 0;
      await until('they are gone', async () => (await allGone()) || (await terminateAll()));
    });
    const order = await customer.post<{ id: string }>('/v1/orders', { items: [{ sku: 'pen', quantity: 1 }] });
    expect(order.status).toBe(202);
    shop.history.accepted.add(order.body.id);
    expect(await customer.settled(order.body.id)).toMatchObject({ status: 'paid' });
    await expectSound(shop);
    expect(pids()).toEqual(before);
  });

  test('settles and notifies every order when statements are canceled, as by a statement timeout', async () => {
    let canceled = 0;
    await underLoad('statements canceled', async (isOver) => {
      while (canceled < 50 && !isOver()) {
        const { rows } = await own.query(ofTheShop('select pg_cancel_backend(pid)', `state = 'active'`));
        canceled += rows.length;
        await pause(5);
      }
    });
    expect(canceled).toBeGreaterThan(0);
  });

  // promise: database-outage
  test('settles and notifies every order when accounts are locked for longer than lock_timeout', async () => {
    await underLoad('accounts locked for 3.2 s', async () => {
      await own.query('begin; lock table billing.accounts in exclusive mode');
      await until('statements wait', async () => (await blockedSessions()).length > 0);
      await pause(3_200);
      await own.query('commit');
    });
  });

  // promise: database-outage
  test('refuses orders with 503 and serves reads while Postgres is read-only', async () => {
    const customer = await customerWith(shop, 1_000);
    await underLoad('read-only', async () => {
      await inNewSessions('default_transaction_read_only = on', async () => {
        const order = () => customer.post('/v1/orders', { items: [{ sku: 'pen', quantity: 1 }] });
        await until('an order is refused with 503', async () => (await order()).status === 503);
        await until('the account can be read', async () => (await customer.get('/v1/accounts/me')).status === 200);
        await pause(500);
      });
    });
  });

  // promise: database-outage
  test('repeats statements after serialization failures', async () => {
    const customer = await customerWith(shop, 1_000);
    const setting = `default_transaction_isolation = 'serializable'`;
    await underLoad('serialization failures', () => inNewSessions(setting, () => failSerialization(customer)));
  });

  // promise: database-outage
  test('repeats a charge that was the victim of a deadlock', async () => {
    const [first, second, third] = (await customersWith(shop, 3, 10_000)) as [Customer, Customer, Customer];
    const before = pids();
    await inOwnSession(async () => {
      await until('a deadlock', () => deadlock(first, second, third));
    });
    await expectSound(shop);
    const orders = (
      await shop.sql<{ id: string }>('select id from ordering.orders where user_id = any ($1::uuid[])', [
        [first, second, third].map(({ id }) => id),
      ])
    ).map(({ id }) => id);
    expect(await outcomes(shop, orders)).toEqual({ paid: orders.length });
    expect(pids()).toEqual(before);
  });

  (mayMount ? test : test.skip)('refuses orders with 503 while the disk is full', async () => {
    const customer = await customerWith(shop, 1_000);
    await onSmallDisk(async (disk) => {
      await underLoad('disk full', async () => {
        fill(disk);
        const order = () => customer.post('/v1/orders', { items: [{ sku: 'pen', quantity: 1 }] });
        await until('an order is refused with 503', async () => (await order()).status === 503);
        await pause(500);
        rmSync(path.join(disk, 'filler'));
      });
    });
  });

  if (sized(0, 1) === 1) {
    test('settles and notifies every order when Postgres hangs for longer than a delivery may take', async () => {
      await underLoad('hangs for 12 s', async () => {
        const server = [postmaster(), ...descendants(postmaster()).map(({ pid }) => pid)];
        signal(server, 'SIGSTOP');
        try {
          await pause(12_000);
        } finally {
          signal(server, 'SIGCONT');
        }
      });
    });

    test('settles and notifies every order when statements exceed their timeout of 8 s', async () => {
      await underLoad('statement timeout', async () => {
        await own.query(`
          create function slow() returns trigger language plpgsql as $$
          begin
            perform pg_sleep(20);
            return new;
          end $$;
          create trigger slow before insert on billing.transfers for each row execute function slow()`);
        await pause(9_000);
        await own.query(`drop trigger slow on billing.transfers; drop function slow()`);
      });
    });
  }

  /** Causes an outage while affordable orders are placed, and checks the orders and the shop afterwards. */
  async function underLoad(fault: string, outage: (isOver: () => boolean) => Promise<void>): Promise<void> {
    const customers = await customersWith(shop, 20, 10_000);
    const before = pids();
    const placing = placeOrders(customers, sized(8, 40));
    const using = processes ? useEverything(shop) : Promise.resolve([]);
    using.catch(() => undefined); // reported by `await using`
    let isOver = false;
    void placing.done.then(() => (isOver = true));
    await until('a few orders are accepted', () => placing.accepted() >= 20);
    await inOwnSession(() => outage(() => isOver));
    const ended = Date.now();
    const orders = await placing.done;
    const { settledMs, notifiedMs } = await settledAndNotified(shop, orders, ended);
    expect(await outcomes(shop, orders)).toEqual({ paid: orders.length });
    await using;
    shop.history.kills += 1; // a mail that was sent may not have been marked
    await hurryMails(shop, ended);
    await expectSound(shop);
    expect(pids()).toEqual(before);
    record({ fault: `Postgres: ${fault}`, count: 1, orders: orders.length, recoveriesMs: [notifiedMs] });
    report(
      `${fault}: ${orders.length} orders were settled ${settledMs} ms and notified ${notifiedMs} ms after the outage`,
    );
  }

  const pids = () => [shop.pid, ...(processes ? ['broker', ...functionNames].map((name) => shop.pidOf(name)) : [])];
  const postmaster = () => shop.pidOf('postgres') ?? 0;

  async function session(settings = ''): Promise<pg.Client> {
    const options = `-c default_transaction_read_only=off -c default_transaction_isolation=read\\ committed ${settings}`;
    const client = new pg.Client({ connectionString: shop.databaseUrl, options });
    client.on('error', () => undefined); // the server may go away
    await client.connect();
    return client;
  }

  async function inOwnSession(work: () => Promise<void>): Promise<void> {
    own = await session();
    try {
      await work();
    } finally {
      await own.end();
    }
  }

  const terminateAll = async (): Promise<false> => {
    await own.query(ofTheShop('select pg_terminate_backend(pid)'));
    return false;
  };

  /** Replaces every session of the shop by a new one with this setting, and afterwards by one without it. */
  async function inNewSessions(setting: string, work: () => Promise<void>): Promise<void> {
    await own.query(`alter database postgres set ${setting}`);
    try {
      await terminateAll();
      await work();
    } finally {
      await own.query(`alter database postgres reset ${setting.split(' ', 1)[0] ?? ''}`);
      await terminateAll();
    }
  }

  /** The sessions that wait for a lock of this session, by default the test's own. */
  async function blockedSessions(by = own): Promise<number[]> {
    // a transaction would otherwise keep its first snapshot of the sessions
    await own.query('select pg_stat_clear_snapshot()');
    const { rows } = await own.query<{ pid: number }>(
      ofTheShop('select pid', `${pidOf(by)} = any (pg_blocking_pids(pid))`),
    );
    return rows.map(({ pid }) => pid);
  }

  /** A charge waits for an account that has changed when the wait ends: 40001, because its snapshot is older. */
  async function failSerialization(customer: Customer): Promise<void> {
    await own.query('begin');
    await own.query('update billing.accounts set balance = balance where user_id = $1', [customer.id]);
    await customer.order('pen');
    await until('its charge waits', async () => (await blockedSessions()).length > 0);
    await own.query('commit');
  }

  /**
   * A batch of two charges locks the first account and waits for the second; the test holds the second and now waits
   * for the first. Only the charge detects deadlocks. Returns whether there was one: both orders must get into one
   * batch.
   */
  async function deadlock(first: Customer, second: Customer, third: Customer): Promise<boolean> {
    const [gate, other] = await Promise.all([session(), session('-c deadlock_timeout=60s')]);
    try {
      await Promise.all([gate.query('begin'), other.query('begin')]);
      await lockAccount(gate, third);
      await lockAccount(other, second);
      await third.order('pen');
      await until('a charge is in flight', async () => (await blockedSessions(gate)).length > 0);
      await Promise.all([first.order('pen'), second.order('pen')]);
      await pause(300); // until both have reached charge-account, where they wait for the one in flight
      await gate.query('commit');
      const [charge] = await until('the next waits', async () => {
        const blocked = await blockedSessions(other);
        return blocked.length > 0 && blocked;
      });
      const locked = lockAccount(other, first);
      const { rows } = await own.query<{ isOne: boolean }>(`select $1 = any (pg_blocking_pids($2)) as "isOne"`, [
        charge,
        pidOf(other),
      ]);
      await locked;
      return rows[0]?.isOne ?? false;
    } finally {
      await Promise.all([gate.end(), other.end()]);
    }
  }

  /** Moves the tables that orders write to a small disk while `work` runs with its folder. */
  async function onSmallDisk(work: (disk: string) => Promise<void>): Promise<void> {
    const disk = path.join(shop.dataDir, 'small-disk');
    const { uid, gid } = statSync(path.join(shop.dataDir, 'postgres'));
    const tables = ['ordering.orders', 'billing.transfers', 'notifying.notifications', 'events.outbox'];
    const moveTo = (where: string) => tables.map((table) => `alter table ${table} set tablespace ${where};`).join('\n');
    mkdirSync(disk);
    mount(disk, `size=16m,mode=0700,uid=${uid},gid=${gid}`);
    try {
      await inOwnSession(async () => {
        await own.query(`create tablespace small location '${disk}'`);
        await own.query(moveTo('small'));
      });
      await work(disk);
      await inOwnSession(async () => {
        await own.query(moveTo('pg_default'));
        await own.query('drop tablespace small');
      });
    } finally {
      rmSync(path.join(disk, 'filler'), { force: true });
      execFileSync('umount', ['--lazy', disk]);
    }
  }
});

/** A query about the sessions of the shop's functions. */
const ofTheShop = (select: string, where = 'true') =>
  `${select} from pg_stat_activity where usename like 'shop\\_%' and ${where}`;

const pidOf = (client: pg.Client) => (client as unknown as { processID: number }).processID;

const lockAccount = (client: pg.Client, { id }: Customer) =>
  client.query('select from billing.accounts where user_id = $1 for update', [id]);

const signal = (processes: number[], name: NodeJS.Signals) => {
  for (const pid of processes) {
    try {
      process.kill(pid, name);
    } catch {
      // the session has ended already
    }
  }
};

function mount(folder: string, options: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], { stdio: 'ignore' });
}

function canMount(): boolean {
  const folder = path.join('/tmp', `may-mount-${process.pid}`);
  mkdirSync(folder);
  try {
    mount(folder, 'size=1m');
    execFileSync('umount', [folder]);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Writes until the disk is full. */
function fill(disk: string): void {
  for (const bytes of [2 ** 16, 2 ** 12]) {
    try {
      for (;;) appendFileSync(path.join(disk, 'filler'), Buffer.alloc(bytes));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }
}
