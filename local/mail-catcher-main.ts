/**
 * The mail catcher's process: `mail-catcher-main.ts <smtp port> <web port> <folder>`, started by mail-catcher.ts.
 * Tells its parent the ports, or why it cannot listen, and ends when the parent lets go of it or is gone.
 */
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

process.on('disconnect', () => process.exit());
// Ctrl-C reaches every process of the terminal; the last mails are still to be caught when the functions end
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
if (!process.connected) process.exit(); // the parent went before we listened

const [smtpPort = 0, webPort = 0] = process.argv.slice(2).map(Number);
const mailDirectory = process.argv[4] ?? '';
// reading 10,000 mails back in takes 6 s of a core, so a start keeps only the newest
const runningAtStart = 500;
// 10,000 of our mails are about 20 MB
const keptWhileRunning = 10_000;
/** More than there are connections that bring mails at a time. */
const inFlight = 100;

try {
  // here and not above, because it takes most of a second: until then the signals would end the process
  const { MailDev } = await import('maildev');
  const ip = '127.0.0.1';
  mkdirSync(mailDirectory, { recursive: true });
  removeHalfMails(mailDirectory);
  // the class, unlike the command, reads no settings file and no environment, where a relay could lurk
  const maildev = new MailDev({
    ...{ smtp: smtpPort, ip, web: webPort, webIp: ip },
    ...{ mailDirectory, maxEmails: runningAtStart, silent: true },
  });
  const { storage, smtp, api } = await maildev.start();
  storage.options.maxEmails = keptWhileRunning;
  process.send?.({ smtpPort: smtp.getPort(), webPort: api?.getPort() });
} catch (error) {
  const { code, port, message } = error as Error & { code?: string; port?: number };
  process.send?.({ failure: { code, port, message } }, () => process.exit(1));
}

/**
 * Removes what a catcher that was killed had begun to write: its sender was never told that it had arrived, and sends
 * it again. A mail is whole when its last part is closed (RFC 2046, section 5.1.1); one without parts when it has any
 * text.
 */
function removeHalfMails(folder: string): void {
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
    const end = boundary === undefined ? /\r?\n\r?\n/.test(mail) : mail.includes(`--${boundary}--`);
    if (!end) rmSync(path);
  }
}
