import { expect, test } from '@jest/globals';
import { customerWith, newCustomers, openAccounts, type Customer } from '#test/support/customers.ts';
import { refusedPrefix } from '#test/support/mailbox.ts';
import { report, secondsSince, until } from '#test/support/until.ts';
import { inProcesses, useShop } from '#test/support/use-shop.ts';

// Outages of what the shop depends on.

const shop = useShop();
// in one process the broker cannot be killed alone
const inProcessesOnly = inProcesses ? test : test.skip;

// promise: mail-outage
test('an order is paid while the mail server is down, and one mail follows when it is back', async () => {
  const customer = await customerWith(shop(), 1_000);
  await until('the receipt has arrived', async () => (await mailsTo(customer)).length === 2);
  await shop().mailbox.close();
  const { id } = await customer.order('pen').finally(() => undefined);
  expect(await customer.settled(id)).toMatchObject({ status: 'paid' });
  await until('an attempt to send the mail has failed', async () => {
    const found = await shop().sql<{ attempts: number }>(
      `select attempts from notifying.notifications where order_id = $1 and status = 'queued'`,
      [id],
    );
    return (found[0]?.attempts ?? 0) > 0;
  });
  await shop().mailbox.open();
  const began = Date.now();
  expect(await customer.notified(id)).toMatchObject([{ status: 'sent' }]);
  report(`the mail was sent ${secondsSince(began)} after the mail server was back`);
  expect((await mailsTo(customer)).filter(({ subject }) => subject.includes(id))).toHaveLength(1);
});

// promise: mail-outage
test('a notification to an address that the mail server refuses fails at once, and the customer can see it', async () => {
  const [customer] = (await newCustomers(shop(), 1, { prefix: refusedPrefix })) as [Customer];
  await openAccounts(shop(), [customer], 1_000);
  const { id } = await customer.order('pen');
  expect(await customer.settled(id)).toMatchObject({ status: 'paid' });
  expect(await customer.notified(id)).toMatchObject([{ status: 'failed', to: customer.email }]);
  expect(await mailsTo(customer)).toEqual([]);
});

const mailsTo = async ({ email }: Customer) => (await shop().mails()).filter(({ to }) => to === email);

// promise: broker-outage
inProcessesOnly('orders are accepted while the broker is down, and settled once it is back', async () => {
  const customer = await customerWith(shop(), 2_000);
  await until('the receipt has arrived', async () => (await mailsTo(customer)).length === 2);
  shop().kill('broker');
  const began = Date.now();
  const orders = await Promise.all(Array.from({ length: 20 }, () => customer.order('pen')));
  report(`20 orders were accepted ${secondsSince(began)} after the broker was killed`);
  const decided = await Promise.all(orders.map(({ id }) => customer.settled(id)));
  report(`and settled ${secondsSince(began)} after it`);
  expect(decided.every(({ status }) => status === 'paid')).toBe(true);
});
