import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

// Linux only: processes are read from /proc.

export interface Process {
  pid: number;
  parent: number;
  command: string;
}

/** All descendants of a process; also of one that was just killed, until it is reaped. */
export function descendants(root: number): Process[] {
  const all = readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? (inspect(Number(name)) ?? []) : []));
  const found: Process[] = [];
  for (let level = [root]; level.length > 0;) {
    const children = all.filter(({ parent }) => level.includes(parent));
    found.push(...children);
    level = children.map(({ pid }) => pid);
  }
  return found;
}

/** A running process; undefined for a zombie, which has no command left. */
export function inspect(pid: number): Process | undefined {
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    const parent = Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
    return command ? { pid, parent, command } : undefined;
  } catch {
    return undefined; // it has exited in the meantime
  }
}

/** The function that a process runs: Knative and the local supervisor set this variable. */
export function functionOf(pid: number): string | undefined {
  try {
    return /(?:^|\0)K_SERVICE=([^\0]+)/.exec(readFileSync(`/proc/${pid}/environ`, 'utf8'))?.[1];
  } catch {
    return undefined;
  }
}

/** kill -9; does nothing if the process has exited. */
export function killNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it has exited in the meantime
  }
}

/** Kills a child once the process of the test ends in any way: a shell waits for the end of a pipe from it. */
export function endWithTest(child: ChildProcess): void {
  const guard = spawn('/bin/sh', ['-c', 'read -r _; kill -9 "$1"', 'test-guard', String(child.pid)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  child.once('exit', () => guard.kill('SIGKILL'));
}
