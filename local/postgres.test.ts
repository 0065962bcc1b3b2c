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
// cleaned up after a test that fails
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

test('starts a durable database that accepts connections only from this machine', async () => {
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

test('has its data after a restart', async () => {
  const first = await start({ dataDir });
  await query(first.url, 'create table notes (content text)');
  await query(first.url, "insert into notes values ('before the stop')");
  await Promise.all([first.stop(), first.stop()]);
  const second = await start({ dataDir });
  expect(await query(second.url, 'select content from notes')).toEqual([{ content: 'before the stop' }]);
  await second.stop();
});

test('runs two shops side by side, one in a folder with a space in its name after an interrupted first start', async () => {
  const other = join(base, 'a second shop');
  await mkdir(join(other, 'postgres.new-1', 'base'), { recursive: true });
  const both = await Promise.all([start({ dataDir }), start({ dataDir: other })]);
  const folders = await Promise.all(both.map(({ url }) => query(url, 'show data_directory')));
  expect(folders.flat().map((row) => row['data_directory'])).toEqual([`${dataDir}/postgres`, `${other}/postgres`]);
  expect(existsSync(join(other, 'postgres.new-1'))).toBe(false);
  await Promise.all(both.map((postgres) => postgres.stop()));
});

test('reports a killed server and restarts it on its port, even with busy connections', async () => {
  const { promise: exited, resolve: onExit } = Promise.withResolvers<string>();
  const killed = await start({ dataDir, onExit });
  await query(killed.url, "insert into notes values ('before the kill')");
  // a busy backend notices the kill late and holds the shared memory until then
  const busy = query(killed.url, 'select count(*) from generate_series(1, 3000000)').catch(() => []);
  await sleep(50);
  process.kill(killed.pid, 'SIGKILL');
  expect(await exited).toMatch(/exited with SIGKILL/);
  const back = await start({ dataDir, port: killed.port });
  expect(back.url).toBe(killed.url);
  expect(await query(back.url, 'select content from notes')).toContainEqual({ content: 'before the kill' });
  await busy;
  await back.stop();
});

test('chooses another port if the preferred one is taken', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  const postgres = await start({ dataDir, port });
  expect(postgres.port).not.toBe(port);
  await query(postgres.url, 'select');
  await postgres.stop();
  other.close();
});

test('survives Ctrl-C, which its shop handles, and shuts down cleanly when its shop is killed', async () => {
  const { shop, url } = await startShop();
  process.kill(-shop.pid!, 'SIGINT'); // to every process of the group, as a terminal sends it
  await sleep(100);
  await query(url, 'select');
  shop.kill('SIGKILL');
  const pidFile = join(dataDir, 'postgres', 'postmaster.pid');
  const began = Date.now();
  while (existsSync(pidFile) && Date.now() < began + 5_000) await sleep(10);
  expect(existsSync(pidFile)).toBe(false); // only a clean shutdown removes it
});

test('stops a server that a killed shop left running', async () => {
  const { shop } = await startShop();
  const left = await pidInFile();
  await killGuardOf(shop.pid!);
  shop.kill('SIGKILL');
  await once(shop, 'exit');
  expect(await pidInFile()).toBe(left);
  const next = await start({ dataDir });
  expect(next.pid).not.toBe(left);
  expect(await query(next.url, 'select content from notes')).toHaveLength(2);
  await next.stop();
});

test('refuses a second shop on the same folder, and the first continues', async () => {
  const first = await start({ dataDir });
  await expect(startPostgres({ dataDir })).rejects.toThrow(`Process ${process.pid} already runs a shop on`);
  await query(first.url, 'select');
  await first.stop();
});

test('starts after a power failure, even if another process has the pid of the old server', async () => {
  const pidFile = join(dataDir, 'postgres', 'postmaster.pid');
  const running = await start({ dataDir });
  const pidFileContent = await readFile(pidFile, 'utf8');
  await running.stop();
  for (const number of ['4194304', String(process.pid)]) {
    await writeFile(pidFile, pidFileContent.replace(/^\d+/, number));
    const postgres = await start({ dataDir });
    await query(postgres.url, 'select');
    await postgres.stop();
  }
});

test('explains in one sentence what the operator has to fix', async () => {
  const version = join(dataDir, 'postgres', 'PG_VERSION');
  await writeFile(version, '17\n');
  await expect(startPostgres({ dataDir })).rejects.toThrow(/was created by another version of Postgres: move it away/);
  await writeFile(version, '18\n');
  await expect(startPostgres({ dataDir: version })).rejects.toThrow(/did not start in .*PG_VERSION: EEXIST/);
  await rm(join(dataDir, 'postgres.password'));
  await expect(startPostgres({ dataDir })).rejects.toThrow(/postgres.password cannot be read: restore it/);
});

// the messages of initdb 18 for a user without a passwd entry, and with a /dev/shm of 16 KB
// promise: poolers
test.each([
  ['initdb: could not look up effective user ID 12345: user does not exist', 'has no entry in /etc/passwd'],
  [
    'FATAL:  could not resize shared memory segment "/PostgreSQL.1" to 1048576 bytes: No space left on device',
    'shared memory of this system (/dev/shm) is too small',
  ],
  ['FATAL:  could not write to file "pg_wal/xlogtemp.7": No space left on device', 'is full'],
])('explains in one sentence what the system lacks: %s', (message, sentence) => {
  expect(explain(message, '/data').message).toContain(sentence);
});

const runInRootOnlyFolder = async () => {
  const hidden = join(base, 'hidden');
  await mkdir(hidden, { mode: 0o700 });
  for (const time of ['first', 'second']) {
    const postgres = await start({ dataDir: join(hidden, 'data') });
    expect(await query(postgres.url, `select '${time}' as start`)).toEqual([{ start: time }]);
    await postgres.stop();
  }
};
if (process.getuid?.() === 0) test('runs as root in a folder that only root may enter', runInRootOnlyFolder);

async function start(options: PostgresOptions): Promise<Postgres> {
  const postgres = await startPostgres(options);
  started.push(postgres);
  return postgres;
}

async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(url);
  client.on('error', () => {}); // a killed server closes the connection
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end().catch(() => {});
  }
}

/** Starts another process that runs the database as `npm start` does, and ignores Ctrl-C. */
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
