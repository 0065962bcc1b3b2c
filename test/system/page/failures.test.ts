import { expect } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { balanceIs, shownEvents, waitForEvents, send } from '#test/support/browser.ts';
import { customerWith, newCustomers, openAccounts, register, type Customer } from '#test/support/customers.ts';
import { pageTest, usePage } from './use-page.ts';

// The page when requests are refused, late or cut off.

const { shop, open } = usePage();

pageTest('explains a refusal next to its field, and accepts the corrected input', async () => {
  const { email } = await register(shop());
  const page = await open();
  const alert = page.getByRole('alert');
  await send(page, 'Log in', { 'E-mail': email, Password: 'wrong password' }, 'Log in');
  await alert.getByText('E-mail or password is wrong').waitFor();
  await send(page, 'Register', { Name: 'Ann', 'E-mail': email, Password: 'correct horse' }, 'Register');
  await alert.getByText('This e-mail is registered already').waitFor();
  await send(page, 'Register', { Name: ' ', 'E-mail': `${uuidv7()}@example.com` }, 'Register');
  await alert.getByText('Please correct what is marked').waitFor();
  const name = page.getByLabel('Name');
  expect(await name.getAttribute('aria-invalid')).toBe('true');
  expect(await page.locator(`#${await name.getAttribute('aria-describedby')}`).count()).toBe(1);
  await send(page, 'Register', { Name: 'Ann' }, 'Register');
  await balanceIs(page, '0.00');

  for (const amount of ['-5', 'ten', '1.234', '0']) {
    await send(page, 'Account', { 'Deposit (USD)': amount }, 'Deposit');
    await page.locator('#deposit-amount[aria-invalid="true"]').waitFor();
  }
  await send(page, 'Account', { 'Deposit (USD)': '12,5' }, 'Deposit');
  await balanceIs(page, '12.50');
  await send(page, 'Catalogue', {}, 'Order');
  await alert.getByText('Enter a quantity for at least one product').waitFor();
});

// promise: page-lost-response
pageTest('makes a deposit once when its response was lost and it is sent again', async () => {
  const { token } = await customerWith(shop(), 100);
  const page = await open({ token });
  await balanceIs(page, '1.00');
  let lost = 0;
  await page.route('**/deposits', async (route) => {
    if (lost > 0) {
      await route.continue();
      return;
    }
    lost += 1;
    await route.fetch({ url: route.request().url().replace('shop.example', '127.0.0.1') });
    await route.abort();
  });
  await send(page, 'Account', { 'Deposit (USD)': '5' }, 'Deposit');
  await page.getByRole('alert').getByText('The shop did not respond').waitFor();
  await send(page, 'Account', {}, 'Deposit');
  await page.getByRole('alert').waitFor({ state: 'detached' });
  await balanceIs(page, '6.00');
  expect(lost).toBe(1);
});

// promise: page-retries
pageTest('shows the retries of an order, and its payment once the account exists', async () => {
  const [customer] = (await newCustomers(shop(), 1)) as [Customer];
  const page = await open({ token: customer.token });
  await page.getByText('Your account is being opened').waitFor();
  await send(page, 'Catalogue', { Pen: '1' }, 'Order');
  await waitForEvents(page, 'event.due');
  const waiting = page.locator('[data-type="event.due"]');
  expect(await waiting.locator('.what').textContent()).toMatch(/^order\.placed repeated (once|\d+ times)$/);
  expect(await waiting.locator('.route').textContent()).toBe('create-order → charge-account');
  await openAccounts(shop(), [customer], 1_000);
  await waitForEvents(page, 'notification.sent');
  await balanceIs(page, '9.00');
  expect(await shownEvents(page)).toEqual(
    expect.arrayContaining(['order.placed', 'charge.succeeded', 'order.paid', 'notification.sent']),
  );
});

pageTest('does not show another customer’s order', async () => {
  const [ann, bob] = [await customerWith(shop(), 1_000), await customerWith(shop(), 1_000)];
  const { id } = await ann.order('pen');
  await ann.notified(id);
  const page = await open({ token: bob.token, place: `/#/orders/${id}` });
  await page.getByRole('alert').getByText('There is no such order').waitFor();
  expect(await shownEvents(page)).toEqual([]);
  await page.getByRole('region', { name: 'Orders' }).getByText('You have not ordered yet').waitFor();
});

pageTest('resumes an interrupted event stream without missing an event', async () => {
  const { token } = await customerWith(shop(), 1_000);
  const page = await open({ token });
  await balanceIs(page, '10.00');
  await page.context().setOffline(true);
  await send(page, 'Catalogue', { Pen: '1' }, 'Order');
  await page.getByRole('alert').getByText('The shop did not respond').first().waitFor();
  await page.context().setOffline(false);
  await send(page, 'Catalogue', {}, 'Order');
  await waitForEvents(page, 'notification.sent');
  await page.locator('.live.on').waitFor();
  await balanceIs(page, '9.00');
  await page.locator('main > .refusal').waitFor({ state: 'detached' });
});

pageTest('asks for a new log-in after the session has ended, and returns to the same place', async () => {
  const { email } = await register(shop());
  const page = await open();
  await page.evaluate((old) => sessionStorage.setItem('token', old), 'e30.e30.e30');
  await page.goto(`${page.url()}#/orders/${uuidv7()}`);
  await page.reload();
  await page.getByText('Your session has ended').waitFor();
  expect(await page.evaluate(() => sessionStorage.length)).toBe(0);
  await send(page, 'Log in', { 'E-mail': email, Password: 'correct horse battery' }, 'Log in');
  await balanceIs(page, '0.00');
  expect(page.url()).toContain('#/orders/');
});
