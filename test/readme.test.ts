import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startShop, type Shop } from './support/shop.ts';

let shop: Shop;
beforeAll(async () => {
  shop = await startShop({ mailCatcher: true });
}, 120_000);
afterAll(() => shop.stop(), 60_000);

test('the curl lines of the README tell the whole story, copied as they are', async () => {
  const [, story = ''] = /```sh\n(shop=[\s\S]*?)```/.exec(readFileSync('README.md', 'utf8')) ?? [];
  expect(story).toContain('shop=http://127.0.0.1:8080/v1');
  const { stdout } = await promisify(execFile)('bash', ['-c', story.replace('http://127.0.0.1:8080', shop.url)]);
  const answers = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { data?: Record<string, unknown>[] });
  expect(answers).toMatchObject([
    { name: 'Ann' },
    { balance: 0 },
    { amount: 100_000, balance: 100_000 },
    { status: 'pending', total: 80_000 },
    { status: 'pending', total: 80_000 },
    { data: [{ status: 'rejected', reason: 'insufficient_funds' }, { status: 'paid' }] },
    { data: [{ kind: 'charge', balance: 20_000 }, { kind: 'deposit' }] },
    { status: 'canceling', total: 80_000 },
    { status: 'refunded' },
    { data: [{ kind: 'refund', balance: 100_000 }, { kind: 'charge' }, { kind: 'deposit' }] },
    {
      data: [
        { template: 'order-refunded' },
        { template: 'order-rejected' },
        { template: 'order-paid' },
        { template: 'deposit-received' },
        { template: 'welcome' },
      ],
    },
  ]);
});
