import { expect } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { balanceIs, accessibilityViolations, shownEvents, waitForEvents, send } from '#test/support/browser.ts';
import { customerWith } from '#test/support/customers.ts';
import { report, until } from '#test/support/until.ts';
import { pageTest, usePage, type Open } from './use-page.ts';

// The page as a customer uses it: the whole shop, in a real browser, by clicking.

const { shop, open } = usePage();

const password = 'correct horse battery';
const paid = ['order.placed', 'charge.succeeded', 'order.paid', 'notification.queued', 'notification.sent'];
const rejected = ['order.placed', 'charge.declined', 'order.rejected', 'notification.queued', 'notification.sent'];

// promise: page-scenario
pageTest('lets a customer register, deposit, buy a desk, be refused a second one, and get the money back', async () => {
  const page = await open();
  const email = `${uuidv7()}@example.com`;
  await send(page, 'Register', { Name: 'Ann', 'E-mail': email, Password: password }, 'Register');
  await balanceIs(page, '0.00');
  await send(page, 'Account', { 'Deposit (USD)': '1000' }, 'Deposit');
  await balanceIs(page, '1000.00');

  await send(page, 'Catalogue', { Desk: '1' }, 'Order');
  await waitForEvents(page, 'notification.sent');
  expect(await shownEvents(page)).toEqual(paid);
  await balanceIs(page, '200.00');
  await page.locator('#entries').getByText('−800.00 USD').waitFor();

  await send(page, 'Catalogue', { Desk: '1' }, 'Order');
  await waitForEvents(page, 'shop.order.rejected.v1');
  await waitForEvents(page, 'notification.sent');
  expect(await shownEvents(page)).toEqual(rejected);
  await page.getByText('not enough money in the account').first().waitFor();
  await balanceIs(page, '200.00');
  expect(await page.locator('.arrow.bad .what').allTextContents()).toEqual(['charge.declined', 'order.rejected']);

  const orders = page.getByRole('region', { name: 'Orders' }).locator('li');
  await orders
    .filter({ hasText: 'paid' })
    .getByRole('button', { name: /Cancel/ })
    .click();
  await waitForEvents(page, 'shop.order.refunded.v1');
  await page.locator('[data-type="notification.sent"]').nth(1).waitFor();
  expect(await shownEvents(page)).toEqual([
    ...paid,
    ...['order.cancel_requested', 'charge.refunded', 'order.refunded', 'notification.queued', 'notification.sent'],
  ]);
  await balanceIs(page, '1000.00');

  const mails = page.getByRole('region', { name: 'Mails' }).locator('li');
  await until('five mails are shown as sent', async () => (await mails.filter({ hasText: 'sent' }).count()) === 5);
  expect((await shop().mails()).filter(({ to }) => to === email)).toHaveLength(5);
  for (const { id } of await shop().sql<{ id: string }>(
    'select o.id from ordering.orders o join users.users u on u.id = o.user_id where u.email = $1',
    [email],
  ))
    shop().history.accepted.add(id);
});

// promise: page-scenario
pageTest('draws an arrow from the producer of an event to its consumer, and shows the event on a click', async () => {
  const { page, id } = await placeOrder();
  const arrow = page.locator('[data-type="shop.charge.succeeded.v1"]').getByRole('button');
  expect(await arrow.locator('.route').textContent()).toBe('charge-account → settle-order');
  // from the middle of one lane to the middle of the next
  const middleOf = async (name: string) => {
    const { x, width } = (await page.locator('.lanes li', { hasText: name }).boundingBox()) ?? { x: 0, width: 0 };
    return x + width / 2;
  };
  const { x, width } = (await arrow.boundingBox()) ?? { x: 0, width: 0 };
  expect(Math.abs(x - (await middleOf('charge-account')))).toBeLessThan(3);
  expect(Math.abs(x + width - (await middleOf('settle-order')))).toBeLessThan(3);

  await arrow.press('Enter');
  const details = page.locator('.details');
  const [{ at }] = (await shop().sql<{ at: Date }>('select decided_at as at from billing.charges where order_id = $1', [
    id,
  ])) as [{ at: Date }];
  const text = await details.textContent();
  for (const part of ['shop.charge.succeeded.v1', `${id}.succeeded`, at.toISOString(), '"amount": 100'])
    expect(text).toContain(part);
  await arrow.press('Enter');
  await details.waitFor({ state: 'detached' });
});

pageTest('shows an event soon after its commit', async () => {
  const customer = await customerWith(shop(), 1_000);
  const page = await open({ token: customer.token });
  await balanceIs(page, '10.00');
  await page.evaluate(() => {
    const seen: Record<string, number> = {};
    Object.assign(globalThis, { seen });
    new MutationObserver(() => {
      for (const time of document.querySelectorAll('.arrow time'))
        seen[`${time.getAttribute('datetime')}`] ??= Date.now();
    }).observe(document.body, { childList: true, subtree: true, attributes: true });
  });
  for (let count = 0; count < 5; count += 1) {
    await send(page, 'Catalogue', { Pen: '1' }, 'Order');
    await waitForEvents(page, 'notification.sent');
  }
  const seen = await page.evaluate(() => (globalThis as unknown as { seen: Record<string, number> }).seen);
  const latencies = Object.entries(seen)
    .map(([at, shownAt]) => shownAt - Date.parse(at))
    .toSorted((a, b) => a - b);
  const median = latencies[Math.floor(latencies.length / 2)] ?? Number.NaN;
  report(`${latencies.length} events were shown after ${median} ms (median), ${latencies.at(-1)} ms (last)`);
  expect(latencies.length).toBeGreaterThanOrEqual(5);
  // a busy machine may take longer than the 200 ms of an idle one
  expect(median).toBeLessThan(5_000);
});

pageTest('reopens a timeline at its address, and shares it through a link that contains it', async () => {
  const { page, id, token } = await placeOrder();
  const again = await open({ token, place: `/#/orders/${id}` });
  await waitForEvents(again, 'notification.sent');
  expect(await shownEvents(again)).toEqual(paid);

  await page.getByRole('button', { name: 'Link with this timeline' }).click();
  const link = new URL(await page.getByLabel('This link shows').inputValue());
  const shared = await open({ place: `/${link.hash}` });
  await waitForEvents(shared, 'notification.sent');
  expect(await shownEvents(shared)).toEqual(paid);
  expect(await shared.locator('#balance').count()).toBe(0);
  await shared.goto(link.href.slice(0, -9));
  await shared.reload();
  await shared.getByText('The link cannot be read').waitFor();
});

// promise: logout
pageTest('keeps the session on a reload but not in another tab, and deletes it on log-out', async () => {
  const page = await open();
  const email = `${uuidv7()}@example.com`;
  await send(page, 'Register', { Name: 'Bob', 'E-mail': email, Password: password }, 'Register');
  await balanceIs(page, '0.00');
  await page.reload();
  await balanceIs(page, '0.00');
  const other = await page.context().newPage();
  await other.goto(page.url());
  await other.getByRole('heading', { name: 'Log in' }).waitFor();
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByRole('heading', { name: 'Log in' }).waitFor();
  expect(await page.evaluate(() => [sessionStorage.length, localStorage.length, document.cookie])).toEqual([0, 0, '']);
  expect(await page.content()).not.toContain(email);
  await send(page, 'Log in', { 'E-mail': email, Password: password }, 'Log in');
  await balanceIs(page, '0.00');
});

// promise: page-offline
pageTest('paints within a second, and loads nothing from other hosts', async () => {
  const page = await open();
  await page.getByRole('heading', { name: 'Log in' }).waitFor();
  const { paintMs, names, bytes } = await page.evaluate(() => {
    const loaded = performance.getEntriesByType('resource') as PerformanceResourceTiming[];
    return {
      paintMs: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? Number.NaN,
      names: loaded.map(({ name }) => new URL(name).pathname),
      bytes: loaded.reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0),
    };
  });
  report(`first paint after ${Math.round(paintMs)} ms, ${Math.round(bytes / 1_000)} KB loaded`);
  expect(names.every((name) => name.startsWith('/page/'))).toBe(true);
  expect(bytes).toBeLessThan(500_000);
  // a busy machine may take longer than the second that is promised for an idle one
  expect(paintMs).toBeLessThan(10_000);
});

// promise: accessibility
pageTest.each([
  ['light, on a desktop', { colorScheme: 'light', viewport: { width: 1_280, height: 900 } }],
  ['dark, on a phone', { colorScheme: 'dark', viewport: { width: 360, height: 740 } }],
] as const)('has no accessibility violation and fits its width: %s', async (_mode, options) => {
  const loggedOut = await open(options);
  await loggedOut.getByRole('heading', { name: 'Log in' }).waitFor();
  expect(await accessibilityViolations(loggedOut)).toEqual([]);
  const { page } = await placeOrder(options);
  await page.locator('[data-type="shop.order.paid.v1"]').getByRole('button').click();
  expect(await accessibilityViolations(page)).toEqual([]);
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
});

// promise: accessibility
pageTest('can be used with the keyboard alone', async () => {
  const customer = await customerWith(shop(), 1_000);
  const page = await open({ token: customer.token });
  await page.getByLabel('Pen').focus();
  await page.keyboard.type('2');
  await page.keyboard.press('Enter');
  await waitForEvents(page, 'notification.sent');
  const passed = [];
  for (let count = 0; count < 60; count += 1) {
    await page.keyboard.press('Tab');
    passed.push(await page.evaluate(() => document.activeElement?.textContent?.trim() ?? ''));
  }
  for (const name of ['Log out', 'Deposit', 'Order', 'Cancel', 'Link with this timeline', 'order.paid'])
    expect(passed.some((text) => text.includes(name))).toBe(true);
});

async function placeOrder(options: Parameters<Open>[0] = {}) {
  const { token } = await customerWith(shop(), 1_000);
  const page = await open({ token, ...options });
  await send(page, 'Catalogue', { Pen: '1' }, 'Order');
  await waitForEvents(page, 'notification.sent');
  const id = (await page.locator('section[data-order]').getAttribute('data-order')) ?? '';
  return { page, id, token };
}
