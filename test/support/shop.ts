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

// what npm start runs, without node itself
const npmStart = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { scripts: { start: string } }
).scripts.start
  .split(' ')
  .slice(1);

export interface ShopOptions {
  /** Every function as a process of its own, as on a cluster; otherwise all in one. */
  processes?: boolean;
  /** So many processes of each function but the storefront. */
  replicas?: number;
  /** What the broker does wrong, for example `drop=0.2,seed=7` (local/broker/faults.ts). */
  brokerFaults?: string;
  /** A database that exists, of a server of its own; otherwise the shop makes one. */
  existingDatabase?: string | undefined;
  /** Mails go to the shop's own mail catcher; otherwise to a mail server of the test, which outlives the shop. */
  mailCatcher?: boolean;
  env?: Record<string, string>;
}

/** The keys of the shop; the same as in the environment of the test, so that it can sign as the shop does. */
export interface ShopSecrets {
  EVENT_KEYS: string;
  TOKEN_PRIVATE_KEY: string;
  TOKEN_PUBLIC_KEYS: string;
  adminPassword: string;
}

/** What the tests have done to a shop, so that the invariants know what to expect. */
export interface OrderHistory {
  /** Orders that were answered with 2xx. */
  accepted: Set<string>;
  /** Orders whose cancel was answered with 2xx. */
  canceled: Set<string>;
  /** Ids of events that a test sent broken: these may be parked. */
  broken: Set<string>;
  /** How often the sender of mails, its database or its mail server was killed: so often a mail may come again. */
  kills: number;
}

/** A running shop: `node start.ts` with an empty data folder and free ports. */
export interface Shop {
  readonly processes: boolean;
  readonly url: string;
  /** Where events are posted. */
  readonly brokerUrl: string;
  /** The mail catcher's, if it has one. */
  readonly mailUrl: string | undefined;
  readonly dataDir: string;
  readonly databaseUrl: string;
  readonly secrets: ShopSecrets;
  readonly pid: number;
  readonly story: OrderHistory;
  /** The test's mail server; throws if the mails go to the catcher. */
  readonly mailbox: Mailbox;
  /** Every mail that has arrived so far. */
  mails(): Promise<Mail[]>;
  /** Rows of a query against the shop's database. */
  sql<Row extends object>(text: string, values?: unknown[]): Promise<Row[]>;
  /** The process of a function, of `broker`, `postgres` or `mail-catcher`; undefined while it is being replaced. */
  pidOf(name: string): number | undefined;
  /** kill -9 of one of these processes. */
  kill(name: string): void;
  /** SIGTERM to one of these processes: it may finish what it has begun. */
  terminate(name: string): void;
  /** kill -9 of everything at once: the shop, its functions, broker, catcher and Postgres. */
  killAll(): Promise<void>;
  /** kill -9 of the shop's own process alone; gives its children, who should end by themselves. */
  killParent(): Promise<number[]>;
  /** Starts it again on the same data and ports. */
  restart(): Promise<void>;
  /** Ends it as Ctrl-C does. Throws if it does not end cleanly, or leaves a process behind. */
  stop(): Promise<void>;
  /** What it has said so far. */
  output(): string;
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const startWithinMs = 90_000;

pg.types.setTypeParser(pg.types.builtins.INT8, Number);

/** Starts a shop and gives it once it answers. */
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
  const story: OrderHistory = { accepted: new Set(), canceled: new Set(), broken: new Set(), kills: 0 };

  let said = '';
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
        // one customer of a test gets more mails than any customer in an hour
        MAILS_PER_HOUR: '0',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child = started;
    let open = false;
    for (const stream of [started.stdout, started.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        said = (said + text).slice(-200_000);
        open ||= text.includes('The shop is open');
      });
    }
    endWithTest(started);
    // its own word comes first: over a connection that is still open, what is left of a killed shop may answer too
    await until('the shop is open', () => open || ended(started), startWithinMs);
    if (ended(started)) throw new Error(`The shop did not start:\n${said}`);
    await until('the shop answers', async () => (await fetch(`${url}/healthz`)).ok);
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
    const isIt = (one: { pid: number; command: string }) => {
      if (name === 'broker' || name === 'mail-catcher') return one.command.includes(`/${name}`);
      return one.command.includes('start.ts') && functionOf(one.pid) === name;
    };
    return descendants(pid()).find((one) => one.parent === pid() && isIt(one))?.pid;
  }

  function victimOf(name: string): number {
    const victim = pidOf(name);
    if (victim === undefined) throw new Error(`there is no process of ${name}`);
    return victim;
  }

  async function gone(pids: number[]): Promise<void> {
    await until(`these processes have ended: ${pids.join(' ')}`, () => !pids.some((one) => inspect(one)), 30_000);
    await pool?.end();
    pool = undefined;
  }

  async function killAll(): Promise<void> {
    story.kills += 1;
    if (!child || ended(child)) return;
    // held, so that it replaces nothing while the list is made
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
    story,
    get databaseUrl() {
      return databaseUrl();
    },
    get pid() {
      return pid();
    },
    get mailbox() {
      if (!mailbox) throw new Error('the mails of this shop go to its catcher');
      return mailbox;
    },
    mails: async () => (mailbox ? [...mailbox.mails] : mailsIn(mailUrl ?? '')),
    sql: async <Row extends object>(text: string, values: unknown[] = []) => {
      if (!pool) throw new Error('the shop does not run');
      return (await pool.query<Row>(text, values)).rows;
    },
    pidOf,
    kill: (name) => {
      const victim = victimOf(name);
      if (['postgres', 'send-notification', 'mail-catcher'].includes(name)) story.kills += 1;
      killNow(victim);
    },
    terminate: (name) => void process.kill(victimOf(name), 'SIGTERM'),
    killAll,
    killParent: async () => {
      story.kills += 1;
      const children = descendants(pid()).map((one) => one.pid);
      killNow(pid());
      await gone([pid()]);
      return children;
    },
    restart: launch,
    stop: async () => {
      try {
        if (child && !ended(child)) await stopCleanly(child, gone, () => said);
      } finally {
        await killAll();
        await mailbox?.close();
        rmSync(folder, { recursive: true, force: true });
      }
    },
    output: () => said,
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
  const patience = setTimeout(() => child.kill('SIGKILL'), 60_000);
  const [code, signal] = await exit;
  clearTimeout(patience);
  await gone(children);
  if (code !== 0) throw new Error(`The shop ended with ${signal ?? code}:\n${output()}`);
}

/** Secrets that the shop finds as if it had made them at its first start: the test's own keys. */
function writeSecrets(dataDir: string): ShopSecrets {
  const { EVENT_KEYS = '', TOKEN_PRIVATE_KEY = '', TOKEN_PUBLIC_KEYS = '' } = process.env;
  const adminPassword = randomBytes(15).toString('base64url');
  const secrets = { EVENT_KEYS, TOKEN_PRIVATE_KEY, TOKEN_PUBLIC_KEYS, adminPassword };
  writeFileSync(path.join(dataDir, 'secrets.json'), JSON.stringify(secrets), { mode: 0o600 });
  return secrets;
}
