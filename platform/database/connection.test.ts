import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import { startPostgres, type Postgres } from '#local/postgres.ts';
import { connectionTo } from '#platform/database/connection.ts';
import { until } from '#test/support/until.ts';

let folder: string;
let server: Postgres;
/** The CA of the server's certificate, which is for 127.0.0.1 only. */
let ca: string;
let otherCa: string;

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'shop-tls-'));
  chmodSync(folder, 0o755);
  ca = makeCa('ca');
  otherCa = makeCa('other');
  signServer();
  server = await startPostgres({ dataDir: path.join(folder, 'data') });
  const home = path.join(folder, 'data', 'postgres');
  for (const file of ['server.crt', 'server.key']) {
    copyFileSync(path.join(folder, file), path.join(home, file));
    chmodSync(path.join(home, file), 0o600);
    const { uid, gid } = statSync(home);
    chownSync(path.join(home, file), uid, gid);
  }
  await query({ connectionString: server.url }, 'alter system set ssl = on');
  await query({ connectionString: server.url }, 'select pg_reload_conf()');
  await until('the server offers TLS', () => isEncrypted().then(Boolean, () => false));
});
afterAll(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true });
});

test('connects with TLS to a server whose certificate the CA has signed', async () => {
  expect(await isEncrypted()).toBe(true);
  expect(await isEncrypted('?sslmode=require')).toBe(true); // pg alone would ignore the CA then
});

test('connects as the URL says without a CA', async () => {
  expect(await isEncrypted('', '')).toBe(false);
  await expect(isEncrypted('?sslmode=verify-full', '')).rejects.toThrow('certificate');
});

test('does not connect to a server with a certificate of another CA, or for another host', async () => {
  await expect(isEncrypted('', otherCa)).rejects.toThrow('certificate');
  const byName = server.url.replace('127.0.0.1', 'localhost');
  await expect(query(connectionTo(byName, ca), 'select 1')).rejects.toThrow('altnames');
});

test.each(['disable', 'no-verify'])('refuses sslmode=%s together with a CA', (mode) => {
  expect(() => connectionTo(`${server.url}?sslmode=${mode}`, ca)).toThrow(
    `DATABASE_URL has sslmode=${mode}, but DATABASE_CA is set: remove one of them.`,
  );
});

async function isEncrypted(options = '', withCa = ca): Promise<boolean> {
  const text = 'select ssl from pg_stat_ssl where pid = pg_backend_pid()';
  return (await query<{ ssl: boolean }>(connectionTo(`${server.url}${options}`, withCa), text))[0]?.ssl === true;
}

async function query<Row extends object>(to: pg.ClientConfig, text: string): Promise<Row[]> {
  const client = new pg.Client(to);
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end();
  }
}

const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** Makes a CA and returns its certificate. */
function makeCa(name: string): string {
  const files = ['-keyout', `${name}.key`, '-out', `${name}.crt`];
  openssl('req', '-x509', ...newKey, ...files, '-subj', `/CN=${name}`);
  return readFileSync(path.join(folder, `${name}.crt`), 'utf8');
}

function signServer(): void {
  openssl(
    ...['req', '-x509', ...newKey, '-keyout', 'server.key', '-out', 'server.crt', '-subj', '/CN=server'],
    ...['-CA', 'ca.crt', '-CAkey', 'ca.key', '-addext', 'subjectAltName=IP:127.0.0.1'],
    ...['-addext', 'basicConstraints=critical,CA:FALSE'],
  );
}
