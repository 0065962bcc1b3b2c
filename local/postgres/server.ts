import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { spawnAs } from '#local/postgres/account.ts';
import type { Account, Program } from '#local/postgres/account.ts';
import { serverSettings } from '#local/postgres/settings.ts';

/** A server that accepts connections. */
export interface Server {
  pid: number;
  /** Resolves when it has exited, with how and its last log lines. Never rejects. */
  exited: Promise<string>;
  stop(): Promise<void>;
}

interface Options {
  program: string;
  account: Account;
  folder: string;
  port: number;
  log: (line: string) => void;
}

/**
 * Starts the server, which stops when this process exits. Resolves once it accepts connections, or with how it exited
 * and its last log lines if it did not start.
 */
export async function launch({ program, account, folder, port, log }: Options): Promise<Server | string> {
  // from the owner a later start recognizes a server whose shop was killed
  const settings = [...serverSettings, `port=${port}`, `shop.owner=${process.pid}`].flatMap((each) => ['-c', each]);
  // a separate process group: Ctrl-C in a terminal must not stop it before the functions
  const child = spawnAs(account, program, ['-D', folder, ...settings], true);
  const { pid } = child;
  const lines: string[] = [];
  const exited = exitReason(child, lines);
  if (pid === undefined) return exited; // it could not be started
  child.once('exit', guard(pid));
  const ready = new Promise<'ready'>((resolve) => {
    let accepting = false;
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (accepting) log(line);
      lines.push(line);
      if (lines.length > 20) lines.shift();
      if (!/ready to accept (read-only )?connections/.test(line)) return; // read-only: a standby
      accepting = true;
      lines.length = 0;
      resolve('ready');
    });
  });
  const first = await Promise.race([ready, exited]);
  if (first !== 'ready') return first;
  return { pid, exited, stop: () => stop(child, exited) };
}

/** How the process exited, then its last log lines. */
async function exitReason(child: Program, lines: string[]): Promise<string> {
  const closed = new Promise((resolve) => child.once('close', resolve));
  try {
    const [code, signal] = await once(child, 'exit');
    // the last lines may still be in the pipe, which backends of a killed server keep open: wait for 200 ms only
    await Promise.race([closed, sleep(200)]);
    return [`exited with ${signal ?? `code ${code}`}`, ...lines].join('\n');
  } catch (error) {
    return String(error);
  }
}

async function stop(child: Program, exited: Promise<string>): Promise<void> {
  child.kill('SIGINT'); // fast shutdown: closes the connections and writes all data
  const timeout = setTimeout(() => child.kill('SIGQUIT'), 5_000);
  await exited;
  clearTimeout(timeout);
}

/**
 * Stops the server when this process exits, even by a kill: a shell waits until a pipe that only this process holds is
 * closed, then requests a fast shutdown. Returns a function that ends the guard.
 */
function guard(pid: number): () => void {
  const shell = spawn('/bin/sh', ['-c', 'read -r _; kill -INT "$1"', 'postgres-guard', String(pid)], {
    detached: true, // otherwise Ctrl-C would end it too early
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  return () => void shell.kill('SIGKILL');
}
