import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { runCollection } from '#local/newman.ts';
import { startShop, type Shop } from './support/shop.ts';

describe.each([
  ['in one process', false],
  ['with each function as a process of its own', true],
])('the story that Postman tells, %s', (_mode, processes) => {
  let shop: Shop;
  beforeAll(async () => {
    shop = await startShop({ processes, mailCatcher: true });
  }, 120_000);
  afterAll(() => shop.stop(), 60_000);

  const run = () =>
    runCollection({
      target: {
        baseUrl: shop.url,
        mailUrl: shop.mailUrl,
        adminEmail: 'admin@example.com',
        adminPassword: shop.secrets.adminPassword,
      },
    });

  test('holds, also twice at once', async () => {
    for (const { failures, skipped, passed } of await Promise.all([run(), run()])) {
      expect(failures).toEqual([]);
      expect(skipped).toBe(0);
      expect(passed).toBeGreaterThan(50);
    }
  }, 120_000);
});
