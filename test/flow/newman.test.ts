import { execFile } from 'node:child_process';
import { expect, test } from '@jest/globals';
import { runCollection, type Exchange } from '#local/newman.ts';
import { expectDocumented, operationOf } from '#test/contracts/contract.ts';
import { useShop } from '#test/support/use-shop.ts';

// The scenario of the Postman collection. The invariants are not checked: it parks events of its own.

const shop = useShop({ mailCatcher: true, checked: false });
const exchanges: Exchange[] = [];
const run = () =>
  runCollection({
    onExchange: (exchange) => exchanges.push(exchange),
    target: {
      baseUrl: shop().url,
      mailUrl: shop().mailUrl,
      adminEmail: 'admin@example.com',
      adminPassword: shop().secrets.adminPassword,
    },
  });

test('the scenario passes in two concurrent runs', async () => {
  for (const { failures, skipped, passed, requests } of await Promise.all([run(), run()])) {
    expect(failures).toEqual([]);
    // the runner repeats a request whose connection was cut: only a killed process may cause that
    expect(requests.flatMap(({ cut }) => cut)).toEqual([]);
    expect(skipped).toBe(0);
    expect(passed).toBeGreaterThan(50);
  }
});

// promise: verification
test('npm run verify finds no difference afterwards, and reports one that is introduced', async () => {
  const verify = (env: Record<string, string>) =>
    new Promise<{ code: unknown; output: string }>((resolve) => {
      const options = { env: { ...process.env, NODE_OPTIONS: '', ...env } };
      execFile(process.execPath, ['local/verify.ts'], options, (error, stdout, stderr) =>
        resolve({ code: error ? error.code : 0, output: stdout + stderr }),
      );
    });
  expect(await verify({ DATA_DIR: shop().dataDir })).toMatchObject({
    code: 0,
    output: expect.stringMatching(/^Nothing differs in \d+ accounts/),
  });
  await shop().sql('update billing.accounts set version = version + 1');
  const broken = await verify({ DATA_DIR: shop().dataDir });
  expect(broken).toMatchObject({ code: 1, output: expect.stringContaining('I2 each balance is the sum') });
  expect((await verify({ DATA_DIR: '/nowhere' })).code).toBe(2);
});

test('every response matches the API documentation', () => {
  const documented = exchanges.flatMap(({ method, url, ...response }) => {
    // not the mail catcher's, nor those of unknown paths
    const operation = url.startsWith(shop().url) ? operationOf(method, new URL(url)) : undefined;
    return operation ? [{ operation, response }] : [];
  });
  expect(documented.length).toBeGreaterThan(50);
  for (const { operation, response } of documented) {
    expectDocumented(operation, { ...response, body: JSON.parse(response.body) });
  }
});
