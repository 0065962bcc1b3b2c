import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { useShop } from './support/use-shop.ts';

const shop = useShop({ mailCatcher: true });

test('the curl commands of the README show two orders from start to end, copied unchanged', async () => {
  const [, commands = ''] = /```sh\n(shop=[\s\S]*?)```/.exec(readFileSync('README.md', 'utf8')) ?? [];
  expect(commands).toContain('shop=http://127.0.0.1:8080/v1');
  const { stdout } = await promisify(execFile)('bash', ['-c', commands.replace('http://127.0.0.1:8080', shop().url)]);
  const responses = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { data?: Record<string, unknown>[] });
  expect(responses).toMatchObject([
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
