import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { startPostgres } from '#local/postgres.ts';
import { explain } from '#local/postgres/explain.ts';
import type { Postgres, PostgresOptions } from '#local/postgres.ts';

const run = promisify(execFile);
// what a test that fails leaves running
const started: Postgres[] = [];
const shops: ChildProcess[] = [];
let base: string;
let dataDir: string;

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'shop-postgres-'));
  await chmod(base, 0o755);
  dataDir = join(base, 'data');
});
afterEach(async () => {
  for (const shop of shops.splice(0)) shop.kill('SIGKILL');
  await Promise.all(started.splice(0).map((postgres) => postgres.stop()));
});
afterAll(() => rm(base, { recursive: true, force: true }));

test('a first start gives a database that keeps what it confirmed and answers this machine alone', async () => {
  const postgres = await start({ dataDir });
  const names = ['fsync', 'synchronous_commit', 'full_page_writes', 'listen_addresses', 'unix_socket_directories'];
  const shown = await Promise.all(names.map((name) => query(postgres.url, `show ${name}`)));
  expect(shown.map(([row]) => Object.values(row ?? {})[0])).toEqual(['on', 'on', 'on', '127.0.0.1', '']);
  expect((await stat(join(dataDir, 'postgres.password'))).mode & 0o777).toBe(0o600);
  const guess = new URL(postgres.url);
  guess.password = 'guess';
  await expect(query(guess.href, 'select')).rejects.toThrow(/authentication failed/);
  await postgres.stop();
});

test('a later start finds the data again', async () => {
  const first = await start({ dataDir });
  await query(first.url, 'create table kept (what text)');
  await query(first.url, "insert into kept values ('before the stop')");
  await Promise.all([first.stop(), first.stop()]);
  const second = await start({ dataDir });
  expect(await query(second.url, 'select what from kept')).toEqual([{ what: 'before the stop' }]);
  await second.stop();
});

test('two shops run side by side, also in a folder with a space in its name and a first start cut short', async () => {
  const other = join(base, 'a second shop');
  await mkdir(join(other, 'postgres.new-1', 'base'), { recursive: true });
  const both = await Promise.all([start({ dataDir }), start({ dataDir: other })]);
  const answers = await Promise.all(both.map(({ url }) => query(url, 'show data_directory')));
  expect(answers.flat().map((row) => row['data_directory'])).toEqual([`${dataDir}/postgres`, `${other}/postgres`]);
  expect(existsSync(join(other, 'postgres.new-1'))).toBe(false);
  await Promise.all(both.map((postgres) => postgres.stop()));
});

test('a killed server is announced and comes back on its port, though its connections were at work', async () => {
  let announce = (_reason: string) => {};
  const announced = new Promise<string>((resolve) => (announce = resolve));
  const killed = await start({ dataDir, onExit: announce });
  await query(killed.url, "insert into kept values ('before the kill')");
  // busy, so that its process does not notice at once and holds on to the shared memory
  const busy = query(killed.url, 'select count(*) from generate_series(1, 3000000)').catch(() => []);
  await sleep(50);
  process.kill(killed.pid, 'SIGKILL');
  expect(await announced).toMatch(/ended with SIGKILL/);
  const back = await start({ dataDir, port: killed.port });
  expect(back.url).toBe(killed.url);
  expect(await query(back.url, 'select what from kept')).toContainEqual({ what: 'before the kill' });
  await busy;
  await back.stop();
});

test('a port that somebody else took is left to them', async () => {
  const somebody = createServer().listen(0, '127.0.0.1');
  await once(somebody, 'listening');
  const { port } = somebody.address() as AddressInfo;
  const postgres = await start({ dataDir, port });
  expect(postgres.port).not.toBe(port);
  await query(postgres.url, 'select');
  await postgres.stop();
  somebody.close();
});

test('Ctrl-C leaves the database to its shop to stop, and it goes with a killed shop, cleanly', async () => {
  const { shop, url } = await startShop();
  process.kill(-shop.pid!, 'SIGINT'); // as a terminal does: to every process of the group
  await sleep(100);
  await query(url, 'select');
  shop.kill('SIGKILL');
  const pidFile = join(dataDir, 'postgres', 'postmaster.pid');
  const began = Date.now();
  while (existsSync(pidFile) && Date.now() < began + 5_000) await sleep(10);
  expect(existsSync(pidFile)).toBe(false); // removed by a clean shutdown only
});

test('what a killed shop left running is ended by the next start', async () => {
  const { shop } = await startShop();
  const left = await pidInFile();
  await killGuardOf(shop.pid!);
  shop.kill('SIGKILL');
  await once(shop, 'exit');
  expect(await pidInFile()).toBe(left);
  const next = await start({ dataDir });
  expect(next.pid).not.toBe(left);
  expect(await query(next.url, 'select what from kept')).toHaveLength(2);
  await next.stop();
});

test('a second shop on the same folder is refused, and the first goes on', async () => {
  const first = await start({ dataDir });
  await expect(startPostgres({ dataDir })).rejects.toThrow(`Process ${process.pid} already runs a shop on`);
  await query(first.url, 'select');
  await first.stop();
});

test('the trace of a power cut does not prevent a start, even if the number is somebody else’s by now', async () => {
  const pidFile = join(dataDir, 'postgres', 'postmaster.pid');
  const running = await start({ dataDir });
  const trace = await readFile(pidFile, 'utf8');
  await running.stop();
  for (const number of ['4194304', String(process.pid)]) {
    await writeFile(pidFile, trace.replace(/^\d+/, number));
    const postgres = await start({ dataDir });
    await query(postgres.url, 'select');
    await postgres.stop();
  }
});

test('what an operator has to put right is one sentence', async () => {
  const version = join(dataDir, 'postgres', 'PG_VERSION');
  await writeFile(version, '17\n');
  await expect(startPostgres({ dataDir })).rejects.toThrow(/was made by another version of Postgres: move it away/);
  await writeFile(version, '18\n');
  await expect(startPostgres({ dataDir: version })).rejects.toThrow(/did not start in .*PG_VERSION: EEXIST/);
  await rm(join(dataDir, 'postgres.password'));
  await expect(startPostgres({ dataDir })).rejects.toThrow(/postgres.password cannot be read: put it back/);
});

// as initdb 18 says it: for a user without a passwd entry, and with a /dev/shm of 16 KB
// promise: pooler-session-mode-good
test.each([
  ['initdb: could not look up effective user ID 12345: user does not exist', 'has no entry in /etc/passwd'],
  [
    'FATAL:  could not resize shared memory segment "/PostgreSQL.1" to 1048576 bytes: No space left on device',
    'shared memory of this system (/dev/shm) is too small',
  ],
  ['FATAL:  could not write to file "pg_wal/xlogtemp.7": No space left on device', 'is full'],
])('what the system lacks is one sentence: %s', (said, sentence) => {
  expect(explain(said, '/data').message).toContain(sentence);
});

const whereOnlyRootMayEnter = async () => {
  const hidden = join(base, 'hidden');
  await mkdir(hidden, { mode: 0o700 });
  for (const time of ['first', 'second']) {
    const postgres = await start({ dataDir: join(hidden, 'data') });
    expect(await query(postgres.url, `select '${time}' as start`)).toEqual([{ start: time }]);
    await postgres.stop();
  }
};
if (process.getuid?.() === 0) test('as root it works in a folder that only root may enter', whereOnlyRootMayEnter);

async function start(options: PostgresOptions): Promise<Postgres> {
  const postgres = await startPostgres(options);
  started.push(postgres);
  return postgres;
}

async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(url);
  client.on('error', () => {}); // a killed server also ends the connection
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end().catch(() => {});
  }
}

/** Another process that runs the database, as `npm start` does, and heeds no Ctrl-C. */
async function startShop() {
  const program = `
    import { startPostgres } from '#local/postgres.ts';
    process.on('SIGINT', () => {});
    const { url } = await startPostgres({ dataDir: ${JSON.stringify(dataDir)} });
    console.log(url);`;
  const shop = spawn(process.execPath, ['--input-type=module', '-e', program], {
    cwd: join(import.meta.dirname, '..'),
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  shops.push(shop);
  const [url] = await Promise.race([once(shop.stdout, 'data'), once(shop, 'exit')]);
  return { shop, url: String(url).trim() };
}

const pidInFile = async () => Number.parseInt(await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8'), 10);

async function killGuardOf(parent: number): Promise<void> {
  const { stdout } = await run('pgrep', ['-P', String(parent), '-f', 'postgres-guard']);
  process.kill(Number(stdout), 'SIGKILL');
}
