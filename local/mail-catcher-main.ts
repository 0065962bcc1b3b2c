/**
 * The mail catcher's process: `mail-catcher-main.ts <smtp port> <web port> <folder>`, started by mail-catcher.ts.
 * Tells its parent the ports, or why it cannot listen, and ends when the parent lets go of it or is gone.
 */
process.on('disconnect', () => process.exit());
// Ctrl-C reaches every process of the terminal; the last mails are still to be caught when the functions end
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
if (!process.connected) process.exit(); // the parent went before we listened

const [smtpPort = 0, webPort = 0] = process.argv.slice(2).map(Number);
const mailDirectory = process.argv[4] ?? '';
// reading 10,000 mails back in takes 6 s of a core, so a start keeps only the newest
const keptAtStart = 500;
// 10,000 of our mails are about 20 MB
const keptWhileRunning = 10_000;

try {
  // here and not above, because it takes most of a second: until then the signals would end the process
  const { MailDev } = await import('maildev');
  const ip = '127.0.0.1';
  // the class, unlike the command, reads no settings file and no environment, where a relay could lurk
  const maildev = new MailDev({
    ...{ smtp: smtpPort, ip, web: webPort, webIp: ip },
    ...{ mailDirectory, maxEmails: keptAtStart, silent: true },
  });
  const { storage, smtp, api } = await maildev.start();
  storage.options.maxEmails = keptWhileRunning;
  process.send?.({ smtpPort: smtp.getPort(), webPort: api?.getPort() });
} catch (error) {
  const { code, port, message } = error as Error & { code?: string; port?: number };
  process.send?.({ failure: { code, port, message } }, () => process.exit(1));
}
