import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from '@jest/globals';
import { roleOf, roleOfAll, roleUrl } from '#database/roles.ts';

// The settings of a test file. `useDatabase` creates its database, if it needs one. The code under test connects under the
// role that it has in operation: a function under its own.
const server = new URL(process.env['TEST_POSTGRES_URL'] ?? 'postgres://nowhere');
server.pathname = `/test_${randomBytes(6).toString('hex')}`;
const functions = fileURLToPath(new URL('../../functions/', import.meta.url));
const { testPath = '' } = expect.getState();
const functionName = testPath.startsWith(functions) ? testPath.slice(functions.length).split(path.sep)[0] : undefined;
const rolesKey = process.env['TEST_ROLES_KEY'] ?? '';

Object.assign(process.env, {
  DATABASE_URL: roleUrl(server.href, rolesKey, functionName ? roleOf(functionName) : roleOfAll),
  TEST_DATABASE_URL: server.href,
  K_SINK: 'http://127.0.0.1:9/shop/default',
  SMTP_URL: 'smtp://127.0.0.1:9',
  // scenarios have few customers, which get more mails than a real one in an hour
  MAILS_PER_HOUR: '0',
  LOG_LEVEL: process.env['LOG_LEVEL'] ?? 'silent',
  EVENT_KEYS: `test:${Buffer.alloc(32, 1).toString('base64url')}`,
  CURSOR_KEY: Buffer.alloc(32, 2).toString('base64url'),
  TOKEN_PRIVATE_KEY: JSON.stringify({
    kty: 'OKP',
    crv: 'Ed25519',
    kid: 'test',
    x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
    d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A',
  }),
  TOKEN_PUBLIC_KEYS: JSON.stringify({
    keys: [{ kty: 'OKP', crv: 'Ed25519', kid: 'test', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }],
  }),
});
