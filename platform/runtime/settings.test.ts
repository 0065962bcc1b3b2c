import { expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';

// Wrong settings end a process at its start, with one sentence that names them.
const { CREATE_ORDER_URL: _url, FUNCTIONS_URL: _pattern, ...rest } = process.env;

function outputOf(program: string, env: Record<string, string>): string {
  const { status, stderr } = spawnSync(process.execPath, ['-r', './local/preload.cjs', program], {
    env: { ...rest, NODE_OPTIONS: '', ...env },
    encoding: 'utf8',
  });
  expect(status).toBe(1);
  return stderr;
}

const storefront = { K_SERVICE: 'storefront', PORT: '18999' };

test.each([
  [{}, 'REGISTER_USER_URL or FUNCTIONS_URL: is required'],
  [{ FUNCTIONS_URL: 'http://functions' }, 'FUNCTIONS_URL: must be an address without a path, with {name} in it'],
  [{ FUNCTIONS_URL: 'http://functions/{name}' }, 'FUNCTIONS_URL: must be an address without a path, with {name} in it'],
  [{ FUNCTIONS_URL: 'nonsense{name}' }, 'FUNCTIONS_URL: must be an address without a path, with {name} in it'],
  [{ FUNCTIONS_URL: 'http://{name}', CREATE_ORDER_URL: '' }, 'CREATE_ORDER_URL: Invalid URL'],
])('the storefront does not start with the addresses %p', (env, sentence) => {
  expect(outputOf('start.ts', { ...storefront, ...env })).toBe(`Settings are missing or invalid – ${sentence}\n`);
});

test.each(['start.ts', 'local/function-main.ts'])('%s reports a wrong setting in one sentence', (program) => {
  expect(outputOf(program, { K_SERVICE: 'create-order', PORT: '18999', DATABASE_POOL: 'x' })).toBe(
    'Settings are missing or invalid – DATABASE_POOL: must be a whole number\n',
  );
});

test.each(['no PEM', '-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----'])(
  'no program connects with the CA %p',
  (pem) => {
    const sentence =
      'Settings are missing or invalid – DATABASE_CA: must be certificates in PEM (-----BEGIN CERTIFICATE-----)\n';
    const owner = {
      DATABASE_ROLES_KEY: 'x'.repeat(32),
      ADMIN_EMAIL: 'admin@example.com',
      ADMIN_PASSWORD: 'correct horse battery staple',
    };
    expect(outputOf('start.ts', { K_SERVICE: 'create-order', PORT: '18999', DATABASE_CA: pem })).toBe(sentence);
    expect(outputOf('database/main.ts', { ...owner, DATABASE_CA: pem })).toBe(sentence);
  },
);
