import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createTransport } from 'nodemailer';
import { startMailCatcher } from '#local/mail-catcher.ts';
import type { MailCatcher } from '#local/mail-catcher.ts';

const anyPorts = { smtpPort: 0, webPort: 0 };
let dataDir: string;
let catcher: MailCatcher | undefined;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'shop mail '));
});
afterEach(() => catcher?.stop());
afterAll(() => rm(dataDir, { recursive: true, force: true }));

test('a mail that was sent can be read, also after a restart', async () => {
  catcher = await startMailCatcher({ ...anyPorts, dataDir });
  await send(catcher.smtpUrl, 'ann@example.org');
  await send(catcher.smtpUrl, 'bob@example.org');
  expect(await mailsTo(catcher, 'ann@example.org')).toMatchObject([
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
  await catcher.stop();
  catcher = await startMailCatcher({ ...anyPorts, dataDir });
  expect(await mailsTo(catcher, 'ann@example.org')).toHaveLength(1);
});

test('it gives way to the shop, and a stray signal does not end it', async () => {
  catcher = await startMailCatcher({ ...anyPorts, dataDir });
  expect(getPriority(catcher.pid)).toBeGreaterThan(getPriority());
  process.kill(catcher.pid, 'SIGINT'); // what Ctrl-C sends to every process of a terminal
  process.kill(catcher.pid, 'SIGTERM');
  await sleep(50);
  await send(catcher.smtpUrl, 'late@example.org');
  expect(await mailsTo(catcher, 'late@example.org')).toHaveLength(1);
});

test('a catcher that was killed is announced', async () => {
  let announce = (_reason: string) => {};
  const announced = new Promise<string>((resolve) => (announce = resolve));
  catcher = await startMailCatcher({ ...anyPorts, dataDir, onExit: announce });
  process.kill(catcher.pid, 'SIGKILL');
  expect(await announced).toBe(`The mail catcher (process ${catcher.pid}) ended with SIGKILL`);
});

test('it goes with its shop when the shop is killed, and has not written to its output', async () => {
  const program = `
    import { startMailCatcher } from '#local/mail-catcher.ts';
    const { pid } = await startMailCatcher({ smtpPort: 0, webPort: 0, dataDir: ${JSON.stringify(dataDir)} });
    console.log(pid);`;
  const shop = spawn(process.execPath, ['--input-type=module', '-e', program], {
    cwd: join(import.meta.dirname, '..'),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [said] = await once(shop.stdout, 'data');
  expect(String(said)).toMatch(/^\d+\n$/);
  const gone = once(shop.stdout, 'close');
  shop.kill('SIGKILL');
  await gone;
  const began = Date.now();
  while (isAlive(Number(said)) && Date.now() < began + 3_000) await sleep(10);
  expect(isAlive(Number(said))).toBe(false);
});

test('a port that is in use is named, with the setting that changes it', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  const start = (ports: { smtpPort: number; webPort: number }) => startMailCatcher({ ...ports, dataDir });
  await expect(start({ smtpPort: port, webPort: 0 })).rejects.toThrow(`Port ${port} (SMTP_PORT) is in use`);
  await expect(start({ smtpPort: 0, webPort: port })).rejects.toThrow(`Port ${port} (MAIL_PORT) is in use`);
  other.close();
});

test('a folder that cannot be used is named', async () => {
  const file = join(dataDir, 'file');
  await writeFile(file, '');
  await expect(startMailCatcher({ ...anyPorts, dataDir: file })).rejects.toThrow(`did not start in ${file}`);
});

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

const mailsTo = ({ webUrl }: MailCatcher, address: string) => get(`${webUrl}/api/email?to.address=${address}`);

const get = async (url: string) => (await fetch(url)).json();

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
