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
  /** Resolves when it has ended, with its last words. Never rejects. */
  ended: Promise<string>;
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
 * Starts the server, which goes when this process goes.
 * Gives it once it accepts connections, or how it ended and what it said if it ended before.
 */
export async function launch({ program, account, folder, port, log }: Options): Promise<Server | string> {
  // the owner tells a later start whether this server is a leftover
  const settings = [...serverSettings, `port=${port}`, `shop.owner=${process.pid}`].flatMap((each) => ['-c', each]);
  // a process group of its own: Ctrl-C in a terminal must not end it before the functions have ended
  const child = spawnAs(account, program, ['-D', folder, ...settings], true);
  const { pid } = child;
  const said: string[] = [];
  const ended = lastWords(child, said);
  if (pid === undefined) return ended; // it could not be started
  child.once('exit', guard(pid));
  const ready = new Promise<'ready'>((resolve) => {
    let accepting = false;
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (accepting) log(line);
      said.push(line);
      if (said.length > 20) said.shift();
      if (!line.includes('ready to accept connections')) return;
      accepting = true;
      said.length = 0;
      resolve('ready');
    });
  });
  const first = await Promise.race([ready, ended]);
  if (first !== 'ready') return first;
  return { pid, ended, stop: () => stop(child, ended) };
}

/** How the process ended, then the last lines that it said. */
async function lastWords(child: Program, said: string[]): Promise<string> {
  const closed = new Promise((resolve) => child.once('close', resolve));
  try {
    const [code, signal] = await once(child, 'exit');
    // what it said last may still be in the pipe; backends that outlive a killed server keep that open, so not for long
    await Promise.race([closed, sleep(200)]);
    return [`ended with ${signal ?? `code ${code}`}`, ...said].join('\n');
  } catch (error) {
    return String(error);
  }
}

async function stop(child: Program, ended: Promise<string>): Promise<void> {
  child.kill('SIGINT'); // fast shutdown: connections are cut, everything is written
  const patience = setTimeout(() => child.kill('SIGQUIT'), 5_000);
  await ended;
  clearTimeout(patience);
}

/**
 * Takes the server down when this process goes, however it goes: a shell waits for the end of a pipe that only this
 * process holds, then asks for a fast shutdown. Gives what ends the guard.
 */
function guard(pid: number): () => void {
  const shell = spawn('/bin/sh', ['-c', 'read -r _; kill -INT "$1"', 'postgres-guard', String(pid)], {
    detached: true, // or Ctrl-C would end it before it has something to do
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  return () => void shell.kill('SIGKILL');
}
