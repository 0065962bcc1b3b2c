import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from '@jest/globals';

// A container that is stopped while it starts: a signal that nobody handles yet would be ignored by its process 1, and
// the pod would live on for its time of grace (300 s).

// promise: container-asked-end-so
test('a function that still starts ends at once when it is asked to', async () => {
  // a database that takes connections and never says a word
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

test('the first process of the container passes on how its program ended', async () => {
  expect(await once(init('process.exit(7)'), 'exit')).toEqual([7, null]);
});

// promise: container-asked-end-so
test('it ends a program that has no handler, and lets one that has finish', async () => {
  const without = init('console.log("up"); setInterval(() => {}, 1000)');
  const having = init(
    'process.on("SIGTERM", () => setTimeout(() => process.exit(5), 300)); console.log("up"); setInterval(() => {}, 1000)',
  );
  await Promise.all([once(without.stdout, 'data'), once(having.stdout, 'data')]);
  const ends = Promise.all([once(without, 'exit'), once(having, 'exit')]);
  without.kill('SIGTERM');
  having.kill('SIGTERM');
  await wait(50);
  having.kill('SIGTERM'); // once more while it finishes
  expect(await ends).toEqual([
    [143, null],
    [5, null],
  ]);
});
