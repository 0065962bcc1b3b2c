import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from '@jest/globals';

// A container that is stopped during its start: process 1 ignores a signal without a handler, so the pod would run
// until the end of its grace period (300 s).

// promise: container-sigterm
test('ends a starting function at once on SIGTERM', async () => {
  // a database that accepts connections and never responds
  const database = createServer().listen(0, '127.0.0.1');
  await once(database, 'listening');
  const { port } = database.address() as AddressInfo;
  const env = { ...process.env, NODE_OPTIONS: '', K_SERVICE: 'charge-account', PORT: '1' };
  const child = spawn(process.execPath, ['start.ts'], {
    env: { ...env, DATABASE_URL: `postgres://x@127.0.0.1:${port}/x` },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [socket] = (await once(database, 'connection')) as [{ destroy(): void }];
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
  socket.destroy();
  database.close();
});

const init = (script: string) =>
  spawn('sh', ['platform/runtime/init.sh', process.execPath, '-e', script], {
    env: { ...process.env, NODE_OPTIONS: '' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });

test('passes on the exit code of the program as process 1 of the container', async () => {
  expect(await once(init('process.exit(7)'), 'exit')).toEqual([7, null]);
});

// promise: container-sigterm
test('ends a program without a signal handler, and lets one with a handler finish', async () => {
  const without = init('console.log("up"); setInterval(() => {}, 1000)');
  const having = init(
    'process.on("SIGTERM", () => setTimeout(() => process.exit(5), 300)); console.log("up"); setInterval(() => {}, 1000)',
  );
  await Promise.all([once(without.stdout, 'data'), once(having.stdout, 'data')]);
  const ends = Promise.all([once(without, 'exit'), once(having, 'exit')]);
  without.kill('SIGTERM');
  having.kill('SIGTERM');
  await wait(50);
  having.kill('SIGTERM'); // again while it finishes
  expect(await ends).toEqual([
    [143, null],
    [5, null],
  ]);
});
