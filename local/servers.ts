import { setTimeout as wait } from 'node:timers/promises';
import { refuseSharedSessions } from '#database/pooler.ts';
import type { Options } from '#local/options.ts';
import type { Postgres } from '#local/postgres.ts';

/** Stops something that was started. */
export type Stop = () => Promise<void>;

/** Starts the embedded database, unless the settings have one. Returns the URL of the database. */
export async function startDatabase({ databaseUrl, dataDir }: Options, stops: Stop[]): Promise<string> {
  if (databaseUrl) {
    await refuseSharedSessions(databaseUrl);
    return databaseUrl;
  }
  const { startPostgres } = await import('#local/postgres.ts');
  const postgres = await keepRunning('Postgres', stops, (onExit, last?: Postgres) =>
    // on the same port, so that connections find it again
    startPostgres({ dataDir, onExit, ...(last && { port: last.port }) }),
  );
  return postgres.url;
}

/** The mail server: the one from the settings, or the mail catcher. */
export const smtpUrlOf = ({ smtpUrl, smtpPort }: Options): string => smtpUrl ?? `smtp://127.0.0.1:${smtpPort}`;

/** Starts the mail catcher, unless the settings have a mail server. Returns the URL of its page. */
export async function startMail(
  { smtpUrl, smtpPort, mailPort, dataDir }: Options,
  stops: Stop[],
): Promise<string | null> {
  if (smtpUrl) return null;
  const { startMailCatcher } = await import('#local/mail-catcher.ts');
  const catcher = await keepRunning('The mail catcher', stops, (onExit) =>
    startMailCatcher({ smtpPort, webPort: mailPort, dataDir, onExit }),
  );
  return catcher.webUrl;
}

/** Starts a server, and restarts it whenever it exits unexpectedly, until it is stopped. */
async function keepRunning<Server extends { stop(): Promise<void> }>(
  what: string,
  stops: Stop[],
  start: (onExit: () => void, last?: Server) => Promise<Server>,
): Promise<Server> {
  let stopping = false;
  let server: Server;
  const again = async () => {
    while (!stopping) {
      process.stdout.write(`${what} exited and is restarted.\n`);
      try {
        server = await start(onExit, server);
        if (stopping) await server.stop();
        return;
      } catch (error) {
        process.stdout.write(`${(error as Error).message}\n`);
        await wait(1_000);
      }
    }
  };
  const onExit = () => void again();
  server = await start(onExit);
  stops.push(() => {
    stopping = true;
    return server.stop();
  });
  return server;
}
