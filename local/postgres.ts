import { randomInt } from 'node:crypto';
import { mkdir, realpath } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { chooseAccount } from '#local/postgres/account.ts';
import { openDataFolder } from '#local/postgres/data-folder.ts';
import { explain } from '#local/postgres/explain.ts';
import { endLeftover } from '#local/postgres/leftover.ts';
import { findPrograms } from '#local/postgres/programs.ts';
import { launch } from '#local/postgres/server.ts';
import type { Server } from '#local/postgres/server.ts';

export interface PostgresOptions {
  /** Holds `postgres/` (the data) and `postgres.password`; made if it does not exist. */
  dataDir: string;
  /** The port to take if it is free: that of the server that a restart replaces. */
  port?: number;
  /** Called when the server ends without `stop`, with a sentence that says how. */
  onExit?: (reason: string) => void;
  /** Gets the server's notices, line by line. */
  log?: (line: string) => void;
}

export interface Postgres {
  /** For the superuser and the database `postgres`. Stays right over a restart if `port` is passed on. */
  url: string;
  port: number;
  pid: number;
  /** Cuts the connections and ends the server, everything written. Can be called again. */
  stop(): Promise<void>;
}

/**
 * Starts the embedded Postgres 18 on the loopback and gives it once it accepts connections.
 * Ends what a killed shop left on the folder, and goes when this process goes, however that ends.
 * As root it runs as the user `postgres`. Throws one sentence an operator understands.
 */
export async function startPostgres({ dataDir, port, onExit, log }: PostgresOptions): Promise<Postgres> {
  const programs = await findPrograms();
  const home = await madeFolder(dataDir);
  const account = await chooseAccount([home, programs.postgres]);
  const { folder, password } = await openDataFolder(home, programs, account);
  await endLeftover(folder);

  let stopping: Promise<void> | undefined;
  const say = (line: string) => {
    if (!stopping) log?.(line);
  };
  const start = (at: number) => launch({ program: programs.postgres, account, folder, port: at, log: say });
  const [server, at] = await onFreePort(start, port, folder);
  void server.ended.then((lastWords) => {
    if (!stopping) onExit?.(`Postgres (process ${server.pid}) ${lastWords}`);
  });
  return {
    url: `postgres://postgres:${password}@127.0.0.1:${at}/postgres`,
    port: at,
    pid: server.pid,
    stop: () => (stopping ??= server.stop()),
  };
}

async function madeFolder(dataDir: string): Promise<string> {
  try {
    await mkdir(dataDir, { recursive: true });
    return await realpath(dataDir);
  } catch (trouble) {
    throw explain(trouble as Error, dataDir);
  }
}

/** Postgres itself finds out whether a port is free: one that was tried before could be taken in between. */
async function onFreePort(
  start: (port: number) => Promise<Server | string>,
  wanted: number | undefined,
  folder: string,
): Promise<[Server, number]> {
  let port = wanted ?? anyPort();
  const deadline = Date.now() + 10_000;
  while (true) {
    const server = await start(port);
    if (typeof server !== 'string') return [server, port];
    if (Date.now() > deadline) throw explain(server, folder);
    if (/Address already in use/.test(server)) port = anyPort();
    // after a kill -9 of the server its backends take a moment to notice and go
    else if (/pre-existing shared memory block/.test(server)) await sleep(50);
    else throw explain(server, folder);
  }
}

/**
 * Below the ports that systems give to outgoing connections: a client that tries to reach a server that is just
 * restarting could otherwise be given that very port, be connected to itself, and keep the server from it.
 */
const anyPort = (): number => randomInt(20_000, 30_000);
