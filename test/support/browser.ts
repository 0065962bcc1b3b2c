import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { timeoutMs } from './until.ts';
import type { Shop } from './shop.ts';

/** A tab in its own browser context, which shares nothing with other tabs. */
export interface Tab {
  page: Page;
  /** What must not happen: script errors, violations of the content security policy, requests to other hosts. */
  violations: string[];
  close(): Promise<void>;
}

/** The shop under a host name: not a secure context, as behind an ingress without TLS, so the page may not need one. */
export const pageUrl = ({ url }: Shop): string => url.replace('127.0.0.1', 'shop.example');

interface TabOptions extends BrowserContextOptions {
  /** The token of the customer who is logged in. */
  token?: string;
  /** The path, query and fragment. */
  place?: string;
}

/** Opens the page in a new tab. */
export async function openTab(browser: Browser, shop: Shop, options: TabOptions = {}): Promise<Tab> {
  const { token, place = '/', ...contextOptions } = options;
  const context = await browser.newContext({ viewport: { width: 1_280, height: 900 }, ...contextOptions });
  context.setDefaultTimeout(timeoutMs);
  if (token) await context.addInitScript((given) => sessionStorage.setItem('token', given), token);
  const page = await context.newPage();
  const violations: string[] = [];
  page.on('pageerror', (error) => violations.push(String(error)));
  page.on('console', (message) => {
    if (/content security policy|trusted/i.test(message.text())) violations.push(message.text());
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(pageUrl(shop))) violations.push(request.url());
  });
  await page.goto(pageUrl(shop) + place);
  return { page, violations, close: () => context.close() };
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Every violation of accessibility that axe finds on the page, by rule and element. */
export async function accessibilityViolations(page: Page): Promise<string[]> {
  // while an animation runs, colours are in between
  await page.waitForFunction(() => document.getAnimations().every(({ playState }) => playState === 'finished'));
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() =>
    (globalThis as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run(),
  );
  return violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target.join(' ')}`));
}

/** The types of the events in the diagram, in its order, without `shop.` and the version. */
export const shownEvents = (page: Page): Promise<string[]> =>
  page
    .locator('.arrows > li')
    .evaluateAll((rows) => rows.map((row) => (row.getAttribute('data-type') ?? '').replace(/^shop\.|\.v1$/g, '')));

/** Fills in the form of a section and submits it. */
export async function send(page: Page, section: string, fields: Record<string, string>, press: string): Promise<void> {
  const region = page.getByRole('region', { name: section, exact: true });
  for (const [label, text] of Object.entries(fields)) await region.getByLabel(label, { exact: true }).fill(text);
  await region.getByRole('button', { name: press, exact: true }).click();
}

/** Waits until the page shows this balance. */
export const balanceIs = (page: Page, balance: string): Promise<void> =>
  page.locator('#balance', { hasText: new RegExp(`^${balance.replace('.', '\\.')} USD$`) }).waitFor();

/** Waits until the diagram shows an event of this type. */
export const waitForEvents = (page: Page, type: string): Promise<void> =>
  page.locator(`.arrows > li[data-type="${type}"]`).last().waitFor();
