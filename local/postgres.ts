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
  /** Contains `postgres/` (the data) and `postgres.password`; created if it does not exist. */
  dataDir: string;
  /** The preferred port, if it is free: that of the server before a restart. */
  port?: number;
  /** Called with one sentence when the server exits without `stop`. */
  onExit?: (reason: string) => void;
  /** Called with each line of the server's log. */
  log?: (line: string) => void;
}

export interface Postgres {
  /** For the superuser and the database `postgres`. The same after a restart with the same `port`. */
  url: string;
  port: number;
  pid: number;
  /** Closes the connections and stops the server with all data written. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Starts the embedded Postgres 18 on the loopback and resolves once it accepts connections. First stops a server that a
 * killed shop left running on the folder. The server stops when this process exits, even by a kill. As root it runs as
 * the user `postgres`. Throws one sentence for the operator.
 */
export async function startPostgres({ dataDir, port, onExit, log }: PostgresOptions): Promise<Postgres> {
  const programs = await findPrograms();
  const home = await createFolder(dataDir);
  const account = await chooseAccount([home, programs.postgres]);
  const { folder, password } = await openDataFolder(home, programs, account);
  await endLeftover(folder);

  let stopping: Promise<void> | undefined;
  const say = (line: string) => {
    if (!stopping) log?.(line);
  };
  const start = (at: number) => launch({ program: programs.postgres, account, folder, port: at, log: say });
  const [server, at] = await onFreePort(start, port, folder);
  void server.exited.then((reason) => {
    if (!stopping) onExit?.(`Postgres (process ${server.pid}) ${reason}`);
  });
  return {
    url: `postgres://postgres:${password}@127.0.0.1:${at}/postgres`,
    port: at,
    pid: server.pid,
    stop: () => (stopping ??= server.stop()),
  };
}

async function createFolder(dataDir: string): Promise<string> {
  try {
    await mkdir(dataDir, { recursive: true });
    return await realpath(dataDir);
  } catch (error) {
    throw explain(error as Error, dataDir);
  }
}

/** Postgres itself checks whether a port is free: after a check beforehand another program could take it. */
async function onFreePort(
  start: (port: number) => Promise<Server | string>,
  preferred: number | undefined,
  folder: string,
): Promise<[Server, number]> {
  let port = preferred ?? anyPort();
  const deadline = Date.now() + 10_000;
  while (true) {
    const server = await start(port);
    if (typeof server !== 'string') return [server, port];
    if (Date.now() > deadline) throw explain(server, folder);
    if (/Address already in use/.test(server)) port = anyPort();
    // after a kill -9 of the server its backends take some time to exit
    else if (/pre-existing shared memory block/.test(server)) await sleep(50);
    else throw explain(server, folder);
  }
}

/**
 * Below the ephemeral ports: a client that connects while the server restarts could otherwise get the server's port as
 * its own, connect to itself, and block the server from its port.
 */
const anyPort = (): number => randomInt(20_000, 30_000);
