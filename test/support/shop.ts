import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { descendants, endWithTest, functionOf, inspect, killNow } from './processes.ts';
import { freePort } from './ports.ts';
import { mailsIn, openMailbox, type Mail, type Mailbox } from './mailbox.ts';
import { until } from './until.ts';

// the arguments of node in `npm start`, which is `exec node …`: a signal to npm then reaches the shop
const npmStart = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { scripts: { start: string } }
).scripts.start
  .split(' ')
  .slice(2);

export interface ShopOptions {
  /** Each function in its own process, as on a cluster; otherwise all in one. */
  processes?: boolean;
  /** The number of processes of each function but the storefront. */
  replicas?: number;
  /** The fault profile of the broker, for example `drop=0.2,seed=7` (local/broker/faults.ts). */
  brokerFaults?: string;
  /** The URL of a database on another server; otherwise the shop creates one. */
  existingDatabase?: string | undefined;
  /** Mails go to the mail catcher of the shop; otherwise to a mail server in the test, which outlives the shop. */
  mailCatcher?: boolean;
  env?: Record<string, string>;
}

/** The keys of the shop: those of the test's environment, so that a test can sign as the shop does. */
export interface ShopSecrets {
  EVENT_KEYS: string;
  TOKEN_PRIVATE_KEY: string;
  TOKEN_PUBLIC_KEYS: string;
  adminPassword: string;
}

/** What the tests have done to a shop, which the invariants take into account. */
export interface OrderHistory {
  /** Orders that got 2xx. */
  accepted: Set<string>;
  /** Orders whose cancel got 2xx. */
  canceled: Set<string>;
  /** Ids of the invalid events that a test sent: only these may be parked. */
  broken: Set<string>;
  /** Kills of the sender of mails, its database or its mail server: each may repeat a mail. */
  kills: number;
}

/** A running shop: `node start.ts` with an empty data folder and free ports. */
export interface Shop {
  readonly processes: boolean;
  readonly url: string;
  /** The URL to post events to. */
  readonly brokerUrl: string;
  /** The URL of the mail catcher, if there is one. */
  readonly mailUrl: string | undefined;
  readonly dataDir: string;
  readonly databaseUrl: string;
  readonly secrets: ShopSecrets;
  readonly pid: number;
  readonly history: OrderHistory;
  /** The mail server in the test; throws if the mails go to the catcher. */
  readonly mailbox: Mailbox;
  /** All mails received so far. */
  mails(): Promise<Mail[]>;
  /** Rows of a query against the shop's database. */
  sql<Row extends object>(text: string, values?: unknown[]): Promise<Row[]>;
  /** The process of a function, `broker`, `postgres` or `mail-catcher`; undefined while it is being restarted. */
  pidOf(name: string): number | undefined;
  /** kill -9 of one of these processes. */
  kill(name: string): void;
  /** SIGTERM to one of these processes: it finishes the work in flight. */
  terminate(name: string): void;
  /** kill -9 of everything at once: the shop, its functions, broker, catcher and Postgres. */
  killAll(): Promise<void>;
  /** kill -9 of the supervisor only; returns its children, which must exit by themselves. */
  killParent(): Promise<number[]>;
  /** Starts the shop again on the same data and ports. */
  restart(): Promise<void>;
  /** Stops the shop as Ctrl-C does. Throws if it does not exit cleanly or leaves a process behind. */
  stop(): Promise<void>;
  /** Its output so far. */
  output(): string;
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const startWithinMs = 90_000;

pg.types.setTypeParser(pg.types.builtins.INT8, Number);

/** Starts a shop with an empty data folder; resolves once it serves requests. */
export async function startShop({
  processes = false,
  replicas = 1,
  brokerFaults,
  existingDatabase,
  mailCatcher = false,
  env = {},
}: ShopOptions = {}): Promise<Shop> {
  const folder = mkdtempSync(path.join(tmpdir(), 'shop-flow-'));
  chmodSync(folder, 0o755); // as root the shop runs Postgres as another user
  const dataDir = path.join(folder, 'data');
  mkdirSync(dataDir);
  const secrets = writeSecrets(dataDir);
  const [port, brokerPort, smtpPort, mailPort] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const mailbox = mailCatcher ? undefined : await openMailbox(smtpPort);
  const mailUrl = mailCatcher ? `http://127.0.0.1:${mailPort}` : undefined;
  const url = `http://127.0.0.1:${port}`;
  const history: OrderHistory = { accepted: new Set(), canceled: new Set(), broken: new Set(), kills: 0 };

  let output = '';
  let child: ChildProcess | undefined;
  let pool: pg.Pool | undefined;

  async function launch(): Promise<void> {
    const more = [...(processes ? ['--processes'] : []), ...(replicas > 1 ? ['--replicas', String(replicas)] : [])];
    const started = spawn(process.execPath, [...npmStart, ...more], {
      cwd: root,
      env: {
        PATH: process.env['PATH'] ?? '',
        DATA_DIR: dataDir,
        PORT: String(port),
        BROKER_PORT: String(brokerPort),
        SMTP_PORT: String(smtpPort),
        MAIL_PORT: String(mailPort),
        ...(mailbox && { SMTP_URL: `smtp://127.0.0.1:${smtpPort}` }),
        ...(brokerFaults !== undefined && { BROKER_FAULTS: brokerFaults }),
        ...(existingDatabase !== undefined && { DATABASE_URL: existingDatabase }),
        // a customer of a test gets more mails than a real one in an hour
        MAILS_PER_HOUR: '0',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child = started;
    let open = false;
    for (const stream of [started.stdout, started.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output = (output + text).slice(-200_000);
        open ||= text.includes('The shop is ready');
      });
    }
    endWithTest(started);
    // its output first: the rest of a killed shop may still respond over an open connection
    await until('the shop is open', () => open || ended(started), startWithinMs);
    if (ended(started)) throw new Error(`The shop did not start:\n${output}`);
    await until('the shop is live', async () => (await fetch(`${url}/healthz`)).ok);
    pool = new pg.Pool({ connectionString: databaseUrl(), max: 4 });
    pool.on('error', () => undefined); // it may be killed
  }

  const postmaster = () => {
    const lines = readFileSync(path.join(dataDir, 'postgres', 'postmaster.pid'), 'utf8').split('\n');
    return { pid: Number(lines[0]), port: Number(lines[3]) };
  };
  const databaseUrl = () => {
    if (existingDatabase !== undefined) return existingDatabase;
    const password = readFileSync(path.join(dataDir, 'postgres.password'), 'utf8').trim();
    return `postgres://postgres:${password}@127.0.0.1:${postmaster().port}/postgres`;
  };

  const pid = () => child?.pid ?? 0;

  function pidOf(name: string): number | undefined {
    if (name === 'postgres') return inspect(postmaster().pid)?.pid;
    const matches = (one: { pid: number; command: string }) => {
      if (name === 'broker' || name === 'mail-catcher') return one.command.includes(`/${name}`);
      return one.command.includes('local/function-main.ts') && functionOf(one.pid) === name;
    };
    return descendants(pid()).find((one) => one.parent === pid() && matches(one))?.pid;
  }

  function victimOf(name: string): number {
    const victim = pidOf(name);
    if (victim === undefined) throw new Error(`${name} has no process`);
    return victim;
  }

  async function gone(pids: number[]): Promise<void> {
    await until(`these processes have exited: ${pids.join(' ')}`, () => !pids.some((one) => inspect(one)), 30_000);
    await pool?.end();
    pool = undefined;
  }

  async function killAll(): Promise<void> {
    history.kills += 1;
    if (!child || ended(child)) return;
    // stopped, so that it restarts nothing while the processes are listed
    child.kill('SIGSTOP');
    const all = [...descendants(pid()).map((one) => one.pid), pid()];
    all.forEach(killNow);
    await gone(all);
  }

  try {
    await launch();
  } catch (error) {
    await killAll();
    await mailbox?.close();
    throw error;
  }

  return {
    processes,
    url,
    brokerUrl: `http://127.0.0.1:${brokerPort}/shop/default`,
    mailUrl,
    dataDir,
    secrets,
    history,
    get databaseUrl() {
      return databaseUrl();
    },
    get pid() {
      return pid();
    },
    get mailbox() {
      if (!mailbox) throw new Error('the mails of this shop go to its mail catcher');
      return mailbox;
    },
    mails: async () => (mailbox ? [...mailbox.mails] : mailsIn(mailUrl ?? '')),
    sql: async <Row extends object>(text: string, values: unknown[] = []) => {
      if (!pool) throw new Error('the shop is not running');
      return (await pool.query<Row>(text, values)).rows;
    },
    pidOf,
    kill: (name) => {
      const victim = victimOf(name);
      if (['postgres', 'send-notification', 'mail-catcher'].includes(name)) history.kills += 1;
      killNow(victim);
    },
    terminate: (name) => void process.kill(victimOf(name), 'SIGTERM'),
    killAll,
    killParent: async () => {
      history.kills += 1;
      const children = descendants(pid()).map((one) => one.pid);
      killNow(pid());
      await gone([pid()]);
      return children;
    },
    restart: launch,
    stop: async () => {
      try {
        if (child && !ended(child)) await stopCleanly(child, gone, () => output);
      } finally {
        await killAll();
        await mailbox?.close();
        rmSync(folder, { recursive: true, force: true });
      }
    },
    output: () => output,
  };
}

const ended = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

async function stopCleanly(
  child: ChildProcess,
  gone: (pids: number[]) => Promise<void>,
  output: () => string,
): Promise<void> {
  const children = descendants(child.pid ?? 0).map(({ pid }) => pid);
  const exit = once(child, 'exit') as Promise<[number | null, string | null]>;
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 60_000);
  const [code, signal] = await exit;
  clearTimeout(timer);
  await gone(children);
  if (code !== 0) throw new Error(`The shop ended with ${signal ?? code}:\n${output()}`);
}

/** Writes the keys of the test where the shop stores its secrets at the first start. */
function writeSecrets(dataDir: string): ShopSecrets {
  const { EVENT_KEYS = '', TOKEN_PRIVATE_KEY = '', TOKEN_PUBLIC_KEYS = '' } = process.env;
  const adminPassword = randomBytes(15).toString('base64url');
  const secrets = { EVENT_KEYS, TOKEN_PRIVATE_KEY, TOKEN_PUBLIC_KEYS, adminPassword };
  writeFileSync(path.join(dataDir, 'secrets.json'), JSON.stringify(secrets), { mode: 0o600 });
  return secrets;
}
