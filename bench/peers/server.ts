import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../test/support/ports.ts';
import { endWithTest } from '../../test/support/processes.ts';

/** A program that a peer needs: its broker or engine. */
export interface Server {
  /** Sends SIGTERM and waits until it has exited. */
  stop(): Promise<void>;
}

/**
 * Starts a program and waits until it is ready. It is killed when this process exits, even by a kill: a kill -9 of the
 * peer kills all its programs.
 */
export async function startServer(
  program: string,
  args: string[],
  { env = {}, isReady }: { env?: Record<string, string>; isReady: () => Promise<boolean> },
): Promise<Server> {
  const child = spawn(program, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-2_000);
  });
  const exited = once(child, 'exit');
  await Promise.race([once(child, 'spawn'), exited]);
  endWithTest(child);
  for (const deadline = Date.now() + 60_000; !(await isReady().catch(() => false)); await sleep(50)) {
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`${program} did not start:\n${errors}`);
  }
  return {
    stop: async () => {
      child.kill('SIGTERM');
      const timeout = setTimeout(() => child.kill('SIGKILL'), 5_000);
      await exited;
      clearTimeout(timeout);
    },
  };
}

/** Free ports, the same ones for a folder after a restart: other programs find the server there again. */
export async function portsOf(dataDir: string, count: number): Promise<number[]> {
  const file = path.join(dataDir, 'ports.json');
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as number[];
  const ports: number[] = [];
  while (ports.length < count) ports.push(await freePort());
  writeFileSync(file, JSON.stringify(ports));
  return ports;
}
