// npm run screenshots: takes the pictures of the page in the README from the shop that runs on this machine (DATA_DIR).
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import type { Page } from 'playwright-core';
import { z } from 'zod';
import { findBrowser, noBrowser, openBrowser } from '#local/browser.ts';
import { runningShop } from '#local/lock.ts';
import { programSettings } from '#platform/runtime/settings.ts';

const fileOf = (name: string) => fileURLToPath(new URL(`${name}.png`, import.meta.url));

async function send(page: Page, section: string, fields: Record<string, string>): Promise<void> {
  const form = page.getByRole('region', { name: section, exact: true }).locator('form');
  for (const [label, text] of Object.entries(fields)) await form.getByLabel(label, { exact: true }).fill(text);
  await form.getByRole('button').click();
}

/** Orders a desk and waits until the outcome is mailed. */
async function orderDesk(page: Page, outcome: string): Promise<void> {
  await send(page, 'Catalogue', { Desk: '1' });
  await page.locator(`[data-type="shop.order.${outcome}.v1"]`).waitFor();
  await page.locator('[data-type="notification.sent"]').waitFor();
}

/** Waits until the arrows have arrived, with no element focused. */
async function still(page: Page): Promise<void> {
  await page.mouse.move(0, 0);
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  await page.waitForFunction(() => document.getAnimations().every(({ playState }) => playState === 'finished'));
}

async function takePictures(page: Page, url: string): Promise<void> {
  await page.goto(url);
  const email = `ann.${Date.now().toString(36)}@example.com`;
  await send(page, 'Register', { Name: 'Ann', 'E-mail': email, Password: 'correct horse battery' });
  await page.locator('#balance').waitFor();
  await send(page, 'Account', { 'Deposit (USD)': '1000' });
  await page.locator('#entries').waitFor();
  await orderDesk(page, 'paid');
  await page.locator('[data-type="shop.charge.succeeded.v1"] button').click();
  await still(page);
  await page.screenshot({ path: fileOf('page') });
  await page.locator('[data-type="shop.charge.succeeded.v1"] button').click();
  await orderDesk(page, 'rejected');
  await still(page);
  await page.locator('.flow').screenshot({ path: fileOf('page-rejected') });
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.getByRole('button', { name: /^Cancel order/ }).click();
  await page.locator('[data-type="notification.sent"]').nth(1).waitFor();
  await still(page);
  await page.locator('.flow').screenshot({ path: fileOf('page-refunded') });
}

const program = findBrowser();
const { DATA_DIR } = programSettings({ DATA_DIR: z.string().min(1).default('.data') });
const shop = runningShop(path.resolve(DATA_DIR));
if (!program || !shop) {
  process.stderr.write(`${program ? 'No shop runs here. Start one with "npm start".' : noBrowser}\n`);
  process.exit(1);
}
const browser = await openBrowser(program);
try {
  await takePictures(await browser.newPage({ viewport: { width: 1_280, height: 860 } }), shop.url);
} finally {
  await browser.close();
}
