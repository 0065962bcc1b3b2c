import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { useDatabase } from '#test/support/database.ts';
import { freePort } from '#test/support/ports.ts';
import { refuseSharedSessions } from './pooler.ts';

useDatabase();

const direct = process.env['DATABASE_URL'] ?? '';
const hasPgBouncer = spawnSync('pgbouncer', ['--version']).status === 0;
if (!hasPgBouncer) process.stderr.write('PgBouncer is not installed: the tests of poolers are skipped.\n');
const withPgBouncer = hasPgBouncer ? describe : describe.skip;

// promise: poolers
test('the server itself is accepted', async () => {
  await expect(refuseSharedSessions(direct)).resolves.toBeUndefined();
});

withPgBouncer.each(['session', 'transaction', 'statement'])('behind a pooler in %s mode', (mode) => {
  let folder: string;
  let pooler: ChildProcess;
  let url: URL;
  beforeAll(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'shop-pooler-'));
    chmodSync(folder, 0o755);
    const port = await freePort();
    url = new URL(direct);
    const { hostname, port: serverPort, username, password, pathname } = url;
    url.port = String(port);
    url.hostname = '127.0.0.1';
    writeFileSync(path.join(folder, 'users'), `"${username}" "${decodeURIComponent(password)}"\n`);
    writeFileSync(
      path.join(folder, 'ini'),
      `[databases]\n${pathname.slice(1)} = host=${hostname} port=${serverPort}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n` +
        `listen_port = ${port}\nauth_type = scram-sha-256\nauth_file = ${folder}/users\npool_mode = ${mode}\nunix_socket_dir =\n`,
    );
    const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
    pooler = spawn('pgbouncer', [...user, path.join(folder, 'ini')], { stdio: 'ignore' });
    for (let isUp = false; !isUp;) {
      const client = new pg.Client({ connectionString: url.href });
      isUp = await client.connect().then(
        () => true,
        () => false,
      );
      await client.end().catch(() => undefined);
    }
  });
  afterAll(async () => {
    pooler.kill('SIGKILL');
    await once(pooler, 'exit');
    rmSync(folder, { recursive: true });
  });

  test(
    mode === 'session'
      ? 'is accepted, and its connections have the settings of the shop'
      : 'is rejected in one sentence',
    async () => {
      if (mode !== 'session') {
        await expect(refuseSharedSessions(url.href)).rejects.toThrow(
          /pooler in transaction mode.*set its pool_mode to session/,
        );
        expect(connectTwice(url)).toContain('the shop needs session mode (pool_mode = session)');
        return;
      }
      await expect(refuseSharedSessions(url.href)).resolves.toBeUndefined();
      expect(connectTwice(url)).toBe('{"lock":"3s","plans":"force_generic_plan"}'.repeat(2));
    },
  );
});

/** Connects as a function does, and again with the session that the first time has left; returns the output. */
function connectTwice(url: URL): string {
  const script = `
    import { createClock } from '#platform/database/clock.ts';
    import { createDatabase } from '#platform/database/database.ts';
    const text = "select current_setting('lock_timeout') as lock, current_setting('plan_cache_mode') as plans";
    for (const time of [1, 2]) {
      const { one, close } = createDatabase({ name: 'pooler', clock: createClock() });
      const result = await one({ name: 'pooler.settings', text }).catch((error) => error.cause.message);
      process.stdout.write(JSON.stringify(result));
      await close();
    }`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    env: { ...process.env, NODE_OPTIONS: '', DATABASE_URL: url.href },
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  return stdout;
}
