import { execFile } from 'node:child_process';
import { expect, test } from '@jest/globals';
import { runCollection, type Answer } from '#local/newman.ts';
import { expectDocumented, operationOf } from '#test/contracts/contract.ts';
import { useShop } from '#test/support/use-shop.ts';

// The scenario of the Postman collection. It parks events that the invariants know nothing of.

const shop = useShop({ mailCatcher: true, checked: false });
const answers: Answer[] = [];
const run = () =>
  runCollection({
    onAnswer: (answer) => answers.push(answer),
    target: {
      baseUrl: shop().url,
      mailUrl: shop().mailUrl,
      adminEmail: 'admin@example.com',
      adminPassword: shop().secrets.adminPassword,
    },
  });

test('holds, also twice at once', async () => {
  for (const { failures, skipped, passed, requests } of await Promise.all([run(), run()])) {
    expect(failures).toEqual([]);
    // it would send such a request again, which is for a process that was killed and not for one that is well
    expect(requests.flatMap(({ cut }) => cut)).toEqual([]);
    expect(skipped).toBe(0);
    expect(passed).toBeGreaterThan(50);
  }
});

// promise: administrator-can-verify-every
test('leaves a shop in which nothing differs, as npm run verify says', async () => {
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

test('gets answers as the API documents them', () => {
  const ours = answers.flatMap(({ method, url, ...answer }) => {
    // neither the mail catcher's nor what the shop does not have
    const operation = url.startsWith(shop().url) ? operationOf(method, new URL(url)) : undefined;
    return operation ? [{ operation, answer }] : [];
  });
  expect(ours.length).toBeGreaterThan(50);
  for (const { operation, answer } of ours) expectDocumented(operation, { ...answer, body: JSON.parse(answer.body) });
});
