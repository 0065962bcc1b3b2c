import { expect, test } from '@jest/globals';
import { uuidv7 } from 'uuidv7';
import { orderPlaced } from '#events/order-placed.ts';
import { barriers, drawn, drawnIs, send } from '#test/support/browser.ts';
import { customerWith } from '#test/support/customers.ts';
import { eventOf, orderWithoutEvent, post } from '#test/support/events.ts';
import type { Shop } from '#test/support/shop.ts';
import type { Open } from './story.ts';

/** What the administrator sees and does. */
export function adminPageTests(shop: () => Shop, open: Open): void {
  const enter = async () => {
    const page = await open();
    const { adminPassword } = shop().secrets;
    await send(page, 'Log in', { 'E-mail': 'admin@example.com', Password: adminPassword }, 'Log in');
    await page.getByRole('heading', { name: 'Dead letters' }).waitFor();
    return page;
  };

  test('the figures of the last minute are shown, and the ledger is checked', async () => {
    const customer = await customerWith(shop(), 1_000);
    const { id } = await customer.order('pen');
    await customer.decided(id);
    const page = await enter();
    await page.getByText(/^[1-9]\d*, [1-9]\d* decided$/).waitFor();
    await page.getByText(/^\d+ ms median/).waitFor();
    await page.getByRole('button', { name: 'Check the ledger' }).click();
    await page.locator('#ledger').getByText('balanced', { exact: true }).waitFor();
  });

  // promise: repeats-parked-can-seen
  test('a parked event is seen, by the administrator and by its customer, and replayed', async () => {
    const customer = await customerWith(shop(), 1_000);
    const orderId = uuidv7();
    const event = eventOf(orderPlaced, { orderId, userId: customer.id });
    shop().story.broken.add(event.id);
    expect(await post(shop(), event)).toBe(202); // there is no such order yet, so charge-account refuses it
    const page = await enter();
    const letter = page.locator(`[data-letter="${event.id}"]`);
    await letter.getByText('parked', { exact: true }).waitFor();
    await letter.getByRole('button', { name: /^order\.placed/ }).click();
    await letter.getByText(`"subject": "${orderId}"`).waitFor();
    expect(await barriers(page)).toEqual([]);

    await orderWithoutEvent(shop(), customer, 100, orderId);
    const hers = await open({ token: customer.token, place: `/#/orders/${orderId}` });
    await drawnIs(hers, 'event.parked');
    expect(await hers.locator('.arrow.bad .who').textContent()).toBe('charge-account → park-event');

    await letter.getByRole('button', { name: /^Replay/ }).click();
    await letter.getByText('done', { exact: true }).waitFor();
    await drawnIs(hers, 'shop.order.paid.v1');
    await hers.reload();
    await drawnIs(hers, 'event.replayed');
    expect(await drawn(hers)).toEqual(expect.arrayContaining(['event.parked', 'charge.succeeded', 'order.paid']));
  });

  test('all that is parked is replayed at a rate', async () => {
    const customer = await customerWith(shop(), 1_000);
    const orderId = uuidv7();
    const event = eventOf(orderPlaced, { orderId, userId: customer.id });
    shop().story.broken.add(event.id);
    expect(await post(shop(), event)).toBe(202);
    const page = await enter();
    const letter = page.locator(`[data-letter="${event.id}"]`);
    await letter.getByText('parked', { exact: true }).waitFor();
    await orderWithoutEvent(shop(), customer, 100, orderId);
    await send(page, 'Dead letters', { 'Events a second': 'many' }, 'Replay all that are parked');
    await page.locator('#replay-all-rate[aria-invalid="true"]').waitFor();
    await send(page, 'Dead letters', { 'Events a second': '10' }, 'Replay all that are parked');
    await letter.getByText('done', { exact: true }).waitFor();
    await page.getByText(/The last bulk replay took \d+/).waitFor();
    expect(await customer.decided(orderId)).toMatchObject({ status: 'paid' });
  });
}
