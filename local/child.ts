import { spawn, type ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { heapFlags } from '#platform/runtime/heap.ts';

interface ChildOptions {
  name: string;
  /** The file to run, with its arguments. */
  command: string[];
  env: Record<string, string>;
  /** Called each time it has exited unexpectedly and is restarted. */
  onRestart?: (name: string) => void;
}

export interface Child {
  name: string;
  pid(): number | undefined;
  /** Hands a connection over, now or as soon as the child is ready. */
  handOver(socket: Socket): void;
  /** Stops it cleanly and starts it again with the current environment; resolves when it is ready. */
  replace(): Promise<void>;
  /** Stops it cleanly: it finishes what is in flight. */
  stop(): Promise<void>;
}

const startTimeoutMs = 30_000;
const heapLimits = Object.entries(heapFlags).map(([name, value]) => `--${name}=${value}`);

/**
 * Runs a Node process and restarts it immediately whenever it exits unexpectedly, with a growing delay if it exits during
 * its start. Resolves when it is ready; rejects if its first start fails.
 */
export async function keepAlive({ name, command, env, onRestart }: ChildOptions): Promise<Child> {
  let current: ChildProcess;
  let stopping = false;
  let ready = false;
  let failures = 0;
  // called when a requested replacement is ready
  let replaced: (() => void) | undefined;
  // connections that wait until it is ready, and connections that were sent but are not taken over yet
  const waiting: Socket[] = [];
  const sent: Socket[] = [];

  const send = (socket: Socket) => {
    sent.push(socket);
    // without keepOpen Node releases it too early: if the child dies before it takes the connection over, it stays open
    current.send('connection', socket, { keepOpen: true });
  };

  const start = (): Promise<void> =>
    new Promise((resolve, reject) => {
      // a separate process group: Ctrl-C signals only the shop, which then stops its children in order
      current = spawn(process.execPath, [...heapLimits, ...command], {
        env: { ...process.env, ...env },
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
        detached: true,
      });
      const child = current;
      const timer = setTimeout(() => child.kill('SIGKILL'), startTimeoutMs);
      child.once('error', reject);
      let leaving = false;
      child.on('message', (message: { ready?: true; taken?: true; leaving?: true }) => {
        if (message.taken) sent.shift()?.destroy();
        if (message.leaving) {
          // it got SIGTERM: from now on connections wait for the next process
          leaving = true;
          ready = false;
          child.send('last', () => undefined);
        }
        if (!message.ready) return;
        clearTimeout(timer);
        ready = true;
        failures = 0;
        replaced?.();
        replaced = undefined;
        for (const socket of waiting.splice(0)) send(socket);
        resolve();
      });
      child.once('exit', (code, signal) => {
        clearTimeout(timer);
        if (!ready && !replaced && !leaving) failures += 1;
        ready = false;
        for (const socket of sent.splice(0)) socket.destroy();
        reject(new Error(`${name} exited during its start (${signal ?? code})`));
        if (stopping) return;
        if (!replaced) onRestart?.(name);
        setTimeout(() => void (stopping || start().catch(() => undefined)), Math.min(failures * 200, 5_000));
      });
    });

  await start();
  return {
    name,
    pid: () => current.pid,
    handOver: (socket) => {
      if (ready && current.connected) send(socket);
      else waiting.push(socket);
    },
    replace: async () => {
      const done = new Promise<void>((resolve) => {
        replaced = resolve;
      });
      ready = false; // from now on connections wait for the next process
      while (sent.length > 0) await wait(10);
      await end(current);
      await done;
    },
    stop: async () => {
      stopping = true;
      for (const socket of waiting) socket.destroy();
      await end(current);
    },
  };
}

/** Stops a process, which has 30 seconds to finish what is in flight. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 30_000);
  await ended;
  clearTimeout(timer);
}
