/**
 * The mail catcher's process: `mail-catcher-main.ts <smtp port> <web port> <folder>`, started by mail-catcher.ts.
 * Sends its parent the ports, or why it cannot listen, and exits when the parent disconnects or exits.
 */
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

process.on('disconnect', () => process.exit());
// Ctrl-C signals every process of the terminal, but the functions still send their last mails while they shut down
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
if (!process.connected) process.exit(); // the parent exited before the handler was registered

const [smtpPort = 0, webPort = 0] = process.argv.slice(2).map(Number);
const mailDirectory = process.argv[4] ?? '';
// loading 10,000 mails takes 6 s of CPU time, so a start loads only the newest
const storedAtStart = 500;
// 10,000 mails of the shop are about 20 MB
const storedWhileRunning = 10_000;
/** More than the concurrent SMTP connections. */
const inFlight = 100;

try {
  // imported only here: the import takes most of a second, during which a signal would end the process
  const { MailDev } = await import('maildev');
  const ip = '127.0.0.1';
  mkdirSync(mailDirectory, { recursive: true });
  removePartialMails(mailDirectory);
  // the class, unlike the command, reads no settings file and no environment, which could configure a relay
  const maildev = new MailDev({
    ...{ smtp: smtpPort, ip, web: webPort, webIp: ip },
    ...{ mailDirectory, maxEmails: storedAtStart, silent: true },
  });
  const { storage, smtp, api } = await maildev.start();
  storage.options.maxEmails = storedWhileRunning;
  process.send?.({ smtpPort: smtp.getPort(), webPort: api?.getPort() });
} catch (error) {
  const { code, port, message } = error as Error & { code?: string; port?: number };
  process.send?.({ failure: { code, port, message } }, () => process.exit(1));
}

/**
 * Removes mails that a killed catcher wrote only in part: their sender got no confirmation and sends them again. A mail
 * is complete when its last part is closed (RFC 2046, section 5.1.1), or without parts, when it has a body.
 */
function removePartialMails(folder: string): void {
  const files = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.eml'))
    .map(({ name }) => join(folder, name))
    .map((path) => ({ path, writtenAt: statSync(path).mtimeMs }))
    .toSorted((one, other) => other.writtenAt - one.writtenAt);
  for (const { path } of files.slice(0, inFlight)) {
    const mail = readFileSync(path, 'latin1');
    const boundary = /^content-type:\s*multipart\/[^\r\n]*(?:\r\n[ \t][^\r\n]*)*?boundary="?([^"\r\n;]+)/im.exec(
      mail,
    )?.[1];
    const isComplete = boundary === undefined ? /\r?\n\r?\n/.test(mail) : mail.includes(`--${boundary}--`);
    if (!isComplete) rmSync(path);
  }
}
