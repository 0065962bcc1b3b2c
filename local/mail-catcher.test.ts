import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createTransport } from 'nodemailer';
import { startMailCatcher } from '#local/mail-catcher.ts';
import type { MailCatcher, MailCatcherOptions } from '#local/mail-catcher.ts';

const anyPorts = { smtpPort: 0, webPort: 0 };
let dataDir: string;
let catcher: MailCatcher;
const { promise: exited, resolve: onExit } = Promise.withResolvers<string>();

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'shop mail '));
  catcher = await startMailCatcher({ ...anyPorts, dataDir, onExit });
});
afterAll(async () => {
  await catcher.stop();
  await rm(dataDir, { recursive: true, force: true });
});

test('serves the mails that were sent, over its API and on a page', async () => {
  await send(catcher.smtpUrl, 'ann@example.org');
  await send(catcher.smtpUrl, 'bob@example.org');
  expect(await mailsTo('ann@example.org')).toMatchObject([
    {
      subject: 'Your order is paid',
      from: [{ address: 'shop@example.org' }],
      headers: { 'message-id': '<ann@example.org.paid@shop>' },
      text: '800.00 USD\n',
    },
  ]);
  const byId = `headers.message-id=${encodeURIComponent('<bob@example.org.paid@shop>')}`;
  expect(await get(`${catcher.webUrl}/api/email?${byId}`)).toHaveLength(1);
  expect(await get(`${catcher.webUrl}/api/email/summary?search=bob@`)).toMatchObject({ total: 1, storeTotal: 2 });
  const page = await fetch(catcher.webUrl, { headers: { accept: 'text/html' } });
  expect(await page.text()).toContain('<title>MailDev</title>');
});

test('runs at a lower priority than the shop, and survives a stray signal', async () => {
  expect(getPriority(catcher.pid)).toBeGreaterThan(getPriority());
  process.kill(catcher.pid, 'SIGINT'); // what Ctrl-C sends to every process of a terminal
  process.kill(catcher.pid, 'SIGTERM');
  await sleep(50);
  await send(catcher.smtpUrl, 'late@example.org');
  expect(await mailsTo('late@example.org')).toHaveLength(1);
});

test('reports that it was killed, and still has its mails after a restart', async () => {
  process.kill(catcher.pid, 'SIGKILL');
  expect(await exited).toBe(`The mail catcher (process ${catcher.pid}) exited with SIGKILL`);
  catcher = await startMailCatcher({ ...anyPorts, dataDir });
  expect(await mailsTo('ann@example.org')).toHaveLength(1);
});

test('removes a mail that was cut off by a kill', async () => {
  await catcher.stop();
  const head = 'Message-ID: <half@shop>\r\nTo: half@example.org\r\nSubject: Half\r\n';
  const parts = `${head}Content-Type: multipart/alternative;\r\n boundary="b-1"\r\n\r\n--b-1\r\n\r\nText`;
  const folder = join(dataDir, 'mail');
  for (const [name, text] of Object.entries({ empty: '', head, parts, whole: `${parts}\r\n--b-1--\r\n` }))
    await writeFile(join(folder, `${name}.eml`), text);
  catcher = await startMailCatcher({ ...anyPorts, dataDir });
  expect(await mailsTo('half@example.org')).toMatchObject([{ id: 'whole', text: 'Text' }]);
  expect(await mailsTo('ann@example.org')).toHaveLength(1);
  expect((await readdir(folder)).filter((name) => /empty|head|parts/.test(name))).toEqual([]);
});

test('exits when its shop is killed, and writes nothing to its output', async () => {
  const program = `
    import { startMailCatcher } from '#local/mail-catcher.ts';
    const { webUrl } = await startMailCatcher({ smtpPort: 0, webPort: 0, dataDir: ${JSON.stringify(dataDir)} });
    console.log(webUrl);`;
  const shop = spawn(process.execPath, ['--input-type=module', '-e', program], {
    cwd: join(import.meta.dirname, '..'),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [output] = await once(shop.stdout, 'data');
  const url = String(output).trim();
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  expect(await get(`${url}/api/healthz`)).toBe(true);
  shop.kill('SIGKILL');
  await expect(untilRefused(`${url}/api/healthz`, 3_000)).resolves.toBe(true);
});

test('names a port that is in use and a folder that cannot be used', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  const file = join(dataDir, 'file');
  await writeFile(file, '');
  await Promise.all([
    expectRefused({ ...anyPorts, smtpPort: port, dataDir }, `Port ${port} (SMTP_PORT) is in use`),
    expectRefused({ ...anyPorts, webPort: port, dataDir }, `Port ${port} (MAIL_PORT) is in use`),
    expectRefused({ ...anyPorts, dataDir: file }, `did not start in ${file}`),
  ]);
  other.close();
});

const expectRefused = (options: MailCatcherOptions, reason: string) =>
  expect(startMailCatcher(options)).rejects.toThrow(reason);

async function send(smtpUrl: string, to: string): Promise<void> {
  const messageId = `<${to}.paid@shop>`;
  const transport = createTransport(smtpUrl);
  await transport.sendMail({
    from: 'shop@example.org',
    to,
    subject: 'Your order is paid',
    text: '800.00 USD',
    messageId,
  });
  transport.close();
}

const mailsTo = (address: string) => get(`${catcher.webUrl}/api/email?to.address=${address}`);

const get = async (url: string) => (await fetch(url)).json();

async function untilRefused(url: string, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (Date.now() < deadline) {
    const responded = await fetch(url).then(
      () => true,
      () => false,
    );
    if (!responded) return true;
    await sleep(10);
  }
  return false;
}
