import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { until } from '#test/support/until.ts';

// The command of the Postgres pod, with a server that logs its start: one server at a time runs on a volume, even if
// the previous pod was deleted by force and its processes are still running.

interface StatefulSet {
  kind: string;
  spec: { template: { spec: { containers: [{ command: string[]; args: string[] }] } } };
}

const statefulSet = parseAllDocuments(readFileSync('knative/base/postgres.yaml', 'utf8'))
  .map((document) => document.toJS() as StatefulSet)
  .find(({ kind }) => kind === 'StatefulSet');
const { command = [], args = [] } = statefulSet?.spec.template.spec.containers[0] ?? {};

let volume: string;
let programs: string;
const running: ChildProcess[] = [];

beforeEach(() => {
  volume = mkdtempSync(path.join(tmpdir(), 'shop-volume-'));
  programs = mkdtempSync(path.join(tmpdir(), 'shop-programs-'));
  // a server with a child process, as Postgres has one for each connection; only the child is hard to end
  writeFileSync(
    path.join(programs, 'docker-entrypoint.sh'),
    `#!/bin/sh\necho "$*" >>"${volume}/started"\nsleep "\${CHILD_SECONDS:-0}" &\nexec sleep 60\n`,
  );
  chmodSync(path.join(programs, 'docker-entrypoint.sh'), 0o755);
});
afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
  for (const folder of [volume, programs]) rmSync(folder, { recursive: true });
});

function startPod(childSeconds = 0) {
  const [program = '', ...rest] = command.map((part) => part.replace('/var/lib/postgresql/data', volume));
  const env = { PATH: `${programs}:${process.env['PATH']}`, CHILD_SECONDS: String(childSeconds) };
  const child = spawn(program, [...rest, ...args], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  running.push(child);
  let output = '';
  child.stdout.on('data', (chunk) => (output += String(chunk)));
  return { child, output: () => output };
}

const starts = (): string[] => {
  try {
    return readFileSync(path.join(volume, 'started'), 'utf8').trim().split('\n');
  } catch {
    return [];
  }
};

// promise: one-postgres-per-volume
test('makes a second server wait, with a message, until the last process of the first one has ended', async () => {
  const first = startPod(1);
  await until('the first server runs', () => starts().length === 1);
  expect(starts()).toEqual([args.join(' ')]);
  const second = startPod();
  await until('the second one reports that it waits', () => second.output().includes('waiting until it has ended'));
  first.child.kill('SIGKILL'); // its child runs for another second and may still write
  await once(first.child, 'exit');
  await wait(400);
  expect(starts()).toHaveLength(1);
  await until('the second server runs', () => starts().length === 2, 3_000);
});

test('ends a waiting server on SIGTERM', async () => {
  startPod();
  await until('the first server runs', () => starts().length === 1);
  const second = startPod();
  await until('the second one reports that it waits', () => second.output() !== '');
  second.child.kill('SIGTERM');
  expect(await once(second.child, 'exit')).toEqual([0, null]);
  expect(starts()).toHaveLength(1);
});
