import { afterEach, expect, test } from '@jest/globals';
import pg from 'pg';
import { connectionTo } from '#platform/database/connection.ts';
import { databaseUrl } from '#test/support/global-setup.ts';

const url = databaseUrl(process.env['TEST_POSTGRES_URL'] ?? '', 'postgres');
const ca = '-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----';

afterEach(() => {
  delete process.env['DATABASE_CA'];
});

async function connects(): Promise<string> {
  const client = new pg.Client(connectionTo(url));
  try {
    await client.connect();
    return 'connected';
  } catch (error) {
    return (error as Error).message;
  } finally {
    await client.end().catch(() => undefined);
  }
}

test('with DATABASE_CA, a server without TLS gets no password', async () => {
  expect(await connects()).toBe('connected');
  process.env['DATABASE_CA'] = ca;
  expect(await connects()).toBe('The server does not support SSL connections');
});

test('the CA takes precedence over an sslmode in the URL, which could turn the verification off', () => {
  const withMode = 'postgres://shop:secret@postgres-rw:5432/shop?sslmode=no-verify';
  process.env['DATABASE_CA'] = ca;
  const client = new pg.Client(connectionTo(withMode)) as pg.Client & { ssl: unknown };
  expect(client.ssl).toEqual({ ca });
  process.env['DATABASE_CA'] = '';
  expect(connectionTo(withMode)).toEqual({ connectionString: withMode });
});
