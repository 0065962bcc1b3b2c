import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

interface Process {
  parent: number;
  command: string;
}

/**
 * Ends a Postgres that was left on a data folder by a shop that was killed.
 * One whose shop still runs is not touched: two shops on one folder is a mistake, and the first one is not to pay for it.
 */
export async function endLeftover(folder: string): Promise<void> {
  const pidFile = join(folder, 'postmaster.pid');
  const pid = Number.parseInt(await readFile(pidFile, 'utf8').catch(() => ''), 10);
  if (!(pid > 0)) return;
  const found = await inspect(pid);
  if (!found) return; // Postgres itself clears a file whose process is gone
  if (!`${found.command} `.includes(`postgres -D ${folder} `)) {
    // after a restart of the machine the number may be somebody else's, or it is a zombie: Postgres would refuse to start
    return rm(pidFile, { force: true });
  }
  const owner = Number(/shop\.owner=(\d+)/.exec(found.command)?.[1]);
  if (owner === found.parent) throw new Error(`Process ${owner} already runs a shop on ${folder}: stop it first.`);
  await end(pid, folder);
}

async function end(pid: number, folder: string): Promise<void> {
  signal(pid, 'SIGINT'); // fast shutdown: the next start needs no recovery
  if (await goneWithin(pid, 5_000)) return;
  signal(pid, 'SIGQUIT');
  if (await goneWithin(pid, 5_000)) return;
  throw new Error(`A former Postgres (process ${pid}) still runs on ${folder} and does not end: end it by hand.`);
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // it has just gone by itself; if it may not be signalled, the waiting tells
  }
}

async function goneWithin(pid: number, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (Date.now() < deadline) {
    if (!(await inspect(pid))?.command) return true;
    await sleep(10);
  }
  return false;
}

/** What runs under a number. A zombie has no command any more. Small Linux images have no `ps`. */
async function inspect(pid: number): Promise<Process | undefined> {
  try {
    if (process.platform === 'linux') {
      const [command, status] = await Promise.all([
        readFile(`/proc/${pid}/cmdline`, 'utf8'),
        readFile(`/proc/${pid}/status`, 'utf8'),
      ]);
      return { parent: Number(/^PPid:\s*(\d+)$/m.exec(status)?.[1]), command: command.replaceAll('\0', ' ').trim() };
    }
    const { stdout } = await run('ps', ['-ww', '-o', 'ppid=,args=', '-p', String(pid)]);
    return { parent: Number.parseInt(stdout, 10), command: stdout.trim() };
  } catch {
    return undefined;
  }
}
