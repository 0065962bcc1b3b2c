import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { timeoutMs } from './until.ts';
import type { Shop } from './shop.ts';

/** A tab of a browser of its own: nothing of another tab is known there. */
export interface Tab {
  page: Page;
  /** What must not happen: errors of a script, what the policy forbids, requests to other hosts. */
  wrongs: string[];
  close(): Promise<void>;
}

/** The shop under a name: no secure context, as behind an ingress without TLS, so nothing may need one. */
export const pageUrl = ({ url }: Shop): string => url.replace('127.0.0.1', 'shop.example');

interface TabOptions extends BrowserContextOptions {
  /** Who is logged in there. */
  token?: string;
  /** What follows the host. */
  place?: string;
}

/** Opens the page. */
export async function openTab(browser: Browser, shop: Shop, options: TabOptions = {}): Promise<Tab> {
  const { token, place = '/', ...how } = options;
  const context = await browser.newContext({ viewport: { width: 1_280, height: 900 }, ...how });
  context.setDefaultTimeout(timeoutMs);
  if (token) await context.addInitScript((given) => sessionStorage.setItem('token', given), token);
  const page = await context.newPage();
  const wrongs: string[] = [];
  page.on('pageerror', (error) => wrongs.push(String(error)));
  page.on('console', (message) => {
    if (/content security policy|trusted/i.test(message.text())) wrongs.push(message.text());
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(pageUrl(shop))) wrongs.push(request.url());
  });
  await page.goto(pageUrl(shop) + place);
  return { page, wrongs, close: () => context.close() };
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe finds wrong with what is shown, all of it, by rule and place. */
export async function barriers(page: Page): Promise<string[]> {
  // what moves is between two colours
  await page.waitForFunction(() => document.getAnimations().every(({ playState }) => playState === 'finished'));
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() =>
    (globalThis as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run(),
  );
  return violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target.join(' ')}`));
}

/** The types of the events that the diagram shows, in its order, without `shop.` and the version. */
export const drawn = (page: Page): Promise<string[]> =>
  page
    .locator('.arrows > li')
    .evaluateAll((rows) => rows.map((row) => (row.getAttribute('data-type') ?? '').replace(/^shop\.|\.v1$/g, '')));

/** Fills a form of this section and sends it. */
export async function send(page: Page, section: string, fields: Record<string, string>, press: string): Promise<void> {
  const region = page.getByRole('region', { name: section, exact: true });
  for (const [label, text] of Object.entries(fields)) await region.getByLabel(label, { exact: true }).fill(text);
  await region.getByRole('button', { name: press, exact: true }).click();
}

/** The balance, once it is this. */
export const balanceIs = (page: Page, balance: string): Promise<void> =>
  page.locator('#balance', { hasText: new RegExp(`^${balance.replace('.', '\\.')} USD$`) }).waitFor();

/** Waits until the diagram shows an event of this type. */
export const drawnIs = (page: Page, type: string): Promise<void> =>
  page.locator(`.arrows > li[data-type="${type}"]`).last().waitFor();
