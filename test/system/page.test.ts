import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { hopsOf, readContracts } from '#diagrams/hops.ts';
import { readManifests } from '#local/broker/manifests.ts';
import { findBrowser, noBrowser, openBrowser } from '#local/browser.ts';
import { adminPageTests } from './page/admin.ts';
import { scenarioTests } from './page/story.ts';
import { outageTests } from './page/troubles.ts';
import { openTab, type Tab } from '#test/support/browser.ts';
import { expectSound } from '#test/support/invariants.ts';
import { startShop, type Shop } from '#test/support/shop.ts';

// The page as a customer and the administrator meet it: the whole shop, in a real browser, by clicking.

jest.setTimeout(180_000);

const chain = new URL('../../web/chain.js', import.meta.url);

test('the lanes of the page are those of the Triggers', async () => {
  const { hearers } = (await import(chain.href)) as { hearers: Record<string, string> };
  const contracts = await readContracts(new URL('../../events/', import.meta.url));
  const hops = hopsOf(contracts, readManifests('broker').triggers);
  const ofOrders = contracts.flatMap(({ type }, index) =>
    /^shop\.(order|charge)\./.test(type) ? [[type, hops[index]?.subscribers]] : [],
  );
  expect(
    Object.entries(hearers)
      .map(([type, hearer]) => [type, [hearer]])
      .toSorted(),
  ).toEqual(ofOrders.toSorted());
});

const program = findBrowser();
if (program === undefined) process.stdout.write(`The tests in a browser are left out. ${noBrowser}\n`);
else {
  describe('the page', () => {
    let shop: Shop;
    let browser: Browser;
    const tabs: Tab[] = [];
    beforeAll(async () => {
      [shop, browser] = await Promise.all([startShop(), openBrowser(program)]);
    });
    afterEach(async () => {
      const opened = tabs.splice(0);
      await Promise.all(opened.map((tab) => tab.close()));
      expect(opened.flatMap(({ wrongs }) => wrongs)).toEqual([]);
    });
    afterAll(async () => {
      await browser?.close();
      await expectSound(shop);
      await shop?.stop();
    });

    const open = async (options?: Parameters<typeof openTab>[2]) => {
      const tab = await openTab(browser, shop, options);
      tabs.push(tab);
      return tab.page;
    };
    describe('the story', () => scenarioTests(() => shop, open));
    describe('what goes wrong', () => outageTests(() => shop, open));
    describe('the administrator', () => adminPageTests(() => shop, open));
  });
}
