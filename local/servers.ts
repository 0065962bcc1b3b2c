import type { Options } from '#local/options.ts';

type Stops = (() => Promise<void>)[];

/** The database: the one from the settings, or one of our own that is started again if it ends. */
export async function startDatabase({ databaseUrl, dataDir }: Options, stops: Stops): Promise<string> {
  if (databaseUrl) return databaseUrl;
  const { startPostgres } = await import('#local/postgres.ts');
  let stopping = false;
  const onExit = () => void again();
  let postgres = await startPostgres({ dataDir, onExit });
  const again = async (): Promise<void> => {
    if (stopping) return;
    process.stdout.write('Postgres ended and is started again.\n');
    postgres = await startPostgres({ dataDir, port: postgres.port, onExit });
    if (stopping) await postgres.stop();
  };
  stops.push(async () => {
    stopping = true;
    await postgres.stop();
  });
  return postgres.url;
}

/** Where mails go: the mail server from the settings, or our own catcher, which is started again if it ends. */
export async function startMail(
  { smtpUrl, smtpPort, mailPort, dataDir }: Options,
  stops: Stops,
): Promise<{ smtpUrl: string; webUrl: string | null }> {
  if (smtpUrl) return { smtpUrl, webUrl: null };
  const { startMailCatcher } = await import('#local/mail-catcher.ts');
  let stopping = false;
  const onExit = () => void again();
  let catcher = await startMailCatcher({ smtpPort, webPort: mailPort, dataDir, onExit });
  const again = async (): Promise<void> => {
    if (stopping) return;
    process.stdout.write('The mail catcher ended and is started again.\n');
    catcher = await startMailCatcher({ smtpPort, webPort: mailPort, dataDir, onExit });
    if (stopping) await catcher.stop();
  };
  stops.push(async () => {
    stopping = true;
    await catcher.stop();
  });
  return { smtpUrl: catcher.smtpUrl, webUrl: catcher.webUrl };
}
