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
 * Stops a Postgres that a killed shop left running on a data folder. Throws if its shop still runs: only the second
 * start on the folder should fail.
 */
export async function endLeftover(folder: string): Promise<void> {
  const pidFile = join(folder, 'postmaster.pid');
  const pid = Number.parseInt(await readFile(pidFile, 'utf8').catch(() => ''), 10);
  if (!(pid > 0)) return;
  const found = await inspect(pid);
  if (!found) return; // Postgres itself removes the file of a process that has exited
  if (!`${found.command} `.includes(`postgres -D ${folder} `)) {
    // another process may have the pid after a reboot, or it is a zombie: Postgres would refuse to start
    return rm(pidFile, { force: true });
  }
  const owner = Number(/shop\.owner=(\d+)/.exec(found.command)?.[1]);
  if (owner === found.parent) throw new Error(`Process ${owner} already runs a shop on ${folder}: stop it first.`);
  await stop(pid, folder);
}

async function stop(pid: number, folder: string): Promise<void> {
  signal(pid, 'SIGINT'); // fast shutdown: the next start needs no recovery
  if (await exitsWithin(pid, 5_000)) return;
  signal(pid, 'SIGQUIT');
  if (await exitsWithin(pid, 5_000)) return;
  throw new Error(`A leftover Postgres (process ${pid}) still runs on ${folder} and does not stop: stop it manually.`);
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // it has exited; if it cannot be signalled, the wait times out
  }
}

async function exitsWithin(pid: number, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (Date.now() < deadline) {
    if (!(await inspect(pid))?.command) return true;
    await sleep(10);
  }
  return false;
}

/** The process with this pid; the command of a zombie is empty. Reads /proc on Linux, where small images lack `ps`. */
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
