import { afterAll, afterEach, beforeAll, expect, jest, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { findBrowser, noBrowser, openBrowser } from '#local/browser.ts';
import { openTab, type Tab } from '#test/support/browser.ts';
import { expectSound } from '#test/support/invariants.ts';
import { startShop, type Shop } from '#test/support/shop.ts';

const program = findBrowser();

/** Like `test`; skipped on a machine without a browser. */
export const pageTest = program === undefined ? test.skip : test;

export type Open = (options?: Parameters<typeof openTab>[2]) => Promise<Page>;

/**
 * Starts a shop and a browser, which all tests of a file share. Each test opens its own tabs; after it they are
 * closed and must not have had a script error, a violation of the policy or a request to another host. At the end the
 * invariants of the shop must hold.
 */
export function usePage(): { shop: () => Shop; open: Open } {
  let shop: Shop;
  let browser: Browser;
  const tabs: Tab[] = [];
  const open: Open = async (options) => {
    const tab = await openTab(browser, shop, options);
    tabs.push(tab);
    return tab.page;
  };
  jest.setTimeout(180_000);
  if (program === undefined) process.stdout.write(`The tests in a browser are skipped. ${noBrowser}\n`);
  else {
    beforeAll(async () => {
      [shop, browser] = await Promise.all([startShop(), openBrowser(program)]);
    });
    afterEach(async () => {
      const opened = tabs.splice(0);
      await Promise.all(opened.map((tab) => tab.close()));
      expect(opened.flatMap(({ violations }) => violations)).toEqual([]);
    });
    afterAll(async () => {
      await browser?.close();
      await expectSound(shop);
      await shop?.stop();
    });
  }
  return { shop: () => shop, open };
}
