import { expect } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { orderPlaced } from '#events/order-placed.ts';
import { accessibilityViolations, shownEvents, waitForEvents, send } from '#test/support/browser.ts';
import { customerWith } from '#test/support/customers.ts';
import { eventOf, orderWithoutEvent, post } from '#test/support/events.ts';
import { pageTest, usePage } from './use-page.ts';

// The page as the administrator uses it: the whole shop, in a real browser, by clicking.

const { shop, open } = usePage();

const logIn = async () => {
  const page = await open();
  const { adminPassword } = shop().secrets;
  await send(page, 'Log in', { 'E-mail': 'admin@example.com', Password: adminPassword }, 'Log in');
  await page.getByRole('heading', { name: 'Dead letters' }).waitFor();
  return page;
};

pageTest('shows the statistics of the last minute, and checks the ledger', async () => {
  const customer = await customerWith(shop(), 1_000);
  const { id } = await customer.order('pen');
  await customer.settled(id);
  const page = await logIn();
  await page.getByText(/^[1-9]\d*, [1-9]\d* decided$/).waitFor();
  await page.getByText(/^\d+ ms median/).waitFor();
  await page.getByRole('button', { name: 'Check the ledger' }).click();
  await page.locator('#ledger').getByText('balanced', { exact: true }).waitFor();
});

// promise: page-retries
pageTest('shows a parked event to the administrator and its customer, and replays it', async () => {
  const customer = await customerWith(shop(), 1_000);
  const orderId = uuidv7();
  const event = eventOf(orderPlaced, { orderId, userId: customer.id });
  shop().history.broken.add(event.id);
  expect(await post(shop(), event)).toBe(202); // the order does not exist yet, so charge-account refuses the event
  const page = await logIn();
  const deadLetter = page.locator(`[data-dead-letter="${event.id}"]`);
  await deadLetter.getByText('parked', { exact: true }).waitFor();
  await deadLetter.getByRole('button', { name: /^order\.placed/ }).click();
  await deadLetter.getByText(`"subject": "${orderId}"`).waitFor();
  expect(await accessibilityViolations(page)).toEqual([]);

  await orderWithoutEvent(shop(), customer, 100, orderId);
  const customersPage = await open({ token: customer.token, place: `/#/orders/${orderId}` });
  await waitForEvents(customersPage, 'event.parked');
  expect(await customersPage.locator('.arrow.bad .route').textContent()).toBe('charge-account → park-event');

  await deadLetter.getByRole('button', { name: /^Replay/ }).click();
  await deadLetter.getByText('done', { exact: true }).waitFor();
  await waitForEvents(customersPage, 'shop.order.paid.v1');
  await customersPage.reload();
  await waitForEvents(customersPage, 'event.replayed');
  expect(await shownEvents(customersPage)).toEqual(
    expect.arrayContaining(['event.parked', 'charge.succeeded', 'order.paid']),
  );
});

pageTest('replays all parked events at a rate', async () => {
  const customer = await customerWith(shop(), 1_000);
  const orderId = uuidv7();
  const event = eventOf(orderPlaced, { orderId, userId: customer.id });
  shop().history.broken.add(event.id);
  expect(await post(shop(), event)).toBe(202);
  const page = await logIn();
  const deadLetter = page.locator(`[data-dead-letter="${event.id}"]`);
  await deadLetter.getByText('parked', { exact: true }).waitFor();
  await orderWithoutEvent(shop(), customer, 100, orderId);
  await send(page, 'Dead letters', { 'Events per second': 'many' }, 'Replay all parked events');
  await page.locator('#replay-all-rate[aria-invalid="true"]').waitFor();
  await send(page, 'Dead letters', { 'Events per second': '10' }, 'Replay all parked events');
  await deadLetter.getByText('done', { exact: true }).waitFor();
  await page.getByText(/Last bulk replay, \d+ events/).waitFor();
  expect(await customer.settled(orderId)).toMatchObject({ status: 'paid' });
});
