import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startMailCatcher, type MailCatcher } from '#local/mail-catcher.ts';
import { createMailer, type Mailer } from './mailer.ts';

let dataDir: string;
let catcher: MailCatcher;
let mailer: Mailer;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'shop mail '));
  catcher = await startMailCatcher({ smtpPort: 0, webPort: 0, dataDir });
  Object.assign(process.env, { SMTP_URL: catcher.smtpUrl, MAIL_FROM: 'Zoë’s shop, Köln <shop@example.org>' });
  mailer = createMailer();
});
afterAll(async () => {
  mailer.close();
  await catcher.stop();
  await rm(dataDir, { recursive: true, force: true });
});

// lines of more than 998 bytes, lines that begin with a dot, look like the end of a part, or end in spaces
const text = `Grüße, Zoë – 1 = 1\n\n.\n..\n--\n${'long '.repeat(500)}\nspaces at the end  \n${'✓'.repeat(600)}\n`;
const html = `<!doctype html><html lang="en"><body><p>Grüße &amp; ✓</p>\n<p>${'x'.repeat(2_000)}</p></body></html>`;

test('delivers a mail as it was written, as text and as HTML, whatever it contains', async () => {
  const sent = await mailer.send({
    messageId: 'one',
    to: 'ann@example.org',
    subject: 'Größe – bestätigt',
    text,
    html,
  });
  expect(sent).toEqual({ sent: true });
  const [caught] = await caughtBy('one');
  expect(caught).toMatchObject({
    from: [{ name: 'Zoë’s shop, Köln', address: 'shop@example.org' }],
    to: [{ address: 'ann@example.org' }],
    subject: 'Größe – bestätigt',
    headers: { 'message-id': '<one@example.org>', 'mime-version': '1.0' },
    envelope: { from: { address: 'shop@example.org' }, to: [{ address: 'ann@example.org' }] },
  });
  expect(caught?.text?.trimEnd()).toBe(text.trimEnd());
  expect(caught?.html?.trimEnd()).toBe(html);
  expect(Math.abs(Date.parse(caught?.time ?? '') - Date.now())).toBeLessThan(60_000);
});

// promise: email-addresses
test('delivers a mail whatever the characters of its address (RFC 5322, section 3.2.3)', async () => {
  const local = Array.from("!#$%&'*+/=?^_`{|}~-", (character) => `a${character}b`);
  const all = ['r&d', 'unit/7', '=?=', ...local, local.join('')];
  const addresses = all.map((each) => `${each}@example.org`);
  const sent = addresses.map((to, index) =>
    mailer.send({ messageId: `address-${index}`, to, subject: 'x', text: 'x', html: 'x' }),
  );
  expect(await Promise.all(sent)).toEqual(addresses.map(() => ({ sent: true })));
  for (const [index, address] of addresses.entries()) {
    const [caught] = await caughtBy(`address-${index}`);
    expect(caught).toMatchObject({ to: [{ address }], envelope: { to: [{ address }] } });
    expect(caught?.to).toHaveLength(1);
  }
});

test('sends lines of at most 78 characters (RFC 5322, section 2.1.1), all of them ASCII', async () => {
  await mailer.send({ messageId: 'two', to: 'bob@example.org', subject: 'ß'.repeat(300), text, html });
  const [{ id = '' } = {}] = await caughtBy('two');
  const source = await (await fetch(`${catcher.webUrl}/api/email/${id}/source`)).text();
  expect(Math.max(...source.split(/\r?\n/).map(({ length }) => length))).toBeLessThanOrEqual(78);
  expect(source).toMatch(/^[\t\r\n\x20-\x7e]+$/);
  expect(source).toMatch(/^Content-Type: multipart\/alternative;/m);
});

test('lets no line break in a subject begin another header', async () => {
  const subject = 'Order\r\nBcc: eve@example.org';
  await mailer.send({ messageId: 'three', to: 'ann@example.org', subject, text, html });
  const [caught] = await caughtBy('three');
  expect(caught).toMatchObject({ envelope: { to: [{ address: 'ann@example.org' }] } });
  expect(caught?.headers).not.toHaveProperty('bcc');
});

interface CaughtMail {
  id?: string;
  text?: string;
  html?: string;
  time?: string;
  to?: unknown[];
  headers: Record<string, unknown>;
}

async function caughtBy(id: string): Promise<CaughtMail[]> {
  const which = `headers.message-id=${encodeURIComponent(`<${id}@example.org>`)}`;
  return (await (await fetch(`${catcher.webUrl}/api/email?${which}`)).json()) as CaughtMail[];
}

// promise: mail-deadline
test('ends an attempt and its connection at one deadline, however many steps the server is slow in', async () => {
  const slow = createServer((socket) => {
    socket.on('error', () => undefined).on('close', () => ended.push(performance.now()));
    const steps = ['220 slow\r\n', '250 slow\r\n', '250 ok\r\n', '250 ok\r\n', '354 go on\r\n', '250 taken\r\n'];
    const next = () => void setTimeout(() => socket.write(steps.shift() ?? ''), 60);
    socket.on('data', next);
    next();
  }).listen(0, '127.0.0.1');
  const ended: number[] = [];
  await once(slow, 'listening');
  const { SMTP_URL } = process.env;
  process.env['SMTP_URL'] = `smtp://127.0.0.1:${(slow.address() as AddressInfo).port}`;
  const other = createMailer();
  process.env['SMTP_URL'] = SMTP_URL;
  const began = performance.now();
  const message = { messageId: 'slow', to: 'ann@example.org', subject: 'x', text: 'x', html: 'x' };
  expect(await other.send(message, { timeoutMs: 150 })).toEqual({ sent: false, permanent: false, error: 'EABORT' });
  expect(performance.now() - began).toBeLessThan(300);
  while (ended.length === 0) await new Promise((resolve) => setImmediate(resolve));
  other.close();
  slow.close();
});
