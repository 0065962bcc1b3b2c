import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { chanceOf, type Chance } from './simulation/chance.ts';
import { customersWith, type Customer, type Notification, type Page } from '#test/support/customers.ts';
import { expectSound } from '#test/support/invariants.ts';
import { settledAndNotified, outcomes, placeOrders } from '#test/support/load.ts';
import type { Mailbox, MailFailures, MailStep } from '#test/support/mailbox.ts';
import { startShop, type Shop } from '#test/support/shop.ts';
import { record, sized } from '#test/support/sizes.ts';
import { report, until } from '#test/support/until.ts';

// A mail server may refuse mails, be slow or disappear in the middle of one: orders are settled all the same, each
// event has one notification, and a mail is sent twice only where its sender could not know that the server had it.

jest.setTimeout(240_000);

const modes = [
  { mode: 'all functions in one process', processes: false },
  { mode: 'each function a process of its own', processes: true },
].slice(0, sized(1, 2));

const transientFailures: { what: string; step: MailStep; failure: MailFailures }[] = [
  { what: 'refuses every connection temporarily (421)', step: 'connection', failure: { code: 421 } },
  { what: 'refuses every connection permanently (554)', step: 'connection', failure: { code: 554 } },
  { what: 'refuses every recipient temporarily (451)', step: 'recipient', failure: { code: 451 } },
  { what: 'refuses every mail temporarily after receiving it (452)', step: 'mail', failure: { code: 452 } },
  { what: 'cuts the connection before it receives the mail', step: 'recipient', failure: { isCut: true } },
];

describe.each(modes)('$mode', ({ processes }) => {
  let shop: Shop;
  let mailbox: Mailbox;
  let customers: Customer[];
  beforeAll(async () => {
    shop = await startShop({ processes });
    mailbox = shop.mailbox;
    customers = await customersWith(shop, 5, 1_000_000);
    await expectSound(shop);
  });
  afterEach(async () => {
    mailbox.failure = undefined;
    await expectSound(shop);
  });
  afterAll(() => shop?.stop());

  // promise: mail-outage
  test.each(transientFailures)(
    'settles orders and then sends one mail each when the server $what',
    async ({ what, step, failure }) => {
      const orders = await orderDuring((at) => (at === step ? failure : undefined));
      await until('each mail was attempted', async () => (await notificationsOf(orders)).every(wasAttempted));
      await expectMailsAfterRecovery(what, orders);
    },
  );

  // promise: mail-outage
  test('sends a mail again with the same Message-ID when the server cuts the connection instead of accepting it, and no other', async () => {
    let mails = 0;
    const orders = await orderDuring((at) => {
      if (at === 'mail') mails += 1;
      return at === 'mail' && mails % 2 === 1 ? { isCut: true } : undefined;
    });
    await until('some connections were cut', () => mailbox.unconfirmed.size >= orders.length / 4);
    await expectMailsAfterRecovery('cuts the connection after it received the mail', orders);
  });

  test('settles orders without waiting for their mails when the server is slow', async () => {
    const orders = await orderDuring((at) => (at === 'mail' ? { afterMs: 2_000 } : undefined));
    const queued = (await notificationsOf(orders)).filter(({ status }) => status === 'queued');
    expect(queued.length).toBeGreaterThan(0);
    await expectMailsAfterRecovery('is slow', orders);
  });

  // promise: mail-outage
  test('marks a mail as failed at once, visibly to the customer, when the server refuses it permanently (554)', async () => {
    const orders = await orderDuring((at) => (at === 'mail' ? { code: 554 } : undefined));
    await until('each has failed', async () =>
      (await notificationsOf(orders)).every(({ status }) => status === 'failed'),
    );
    for (const customer of customers) {
      const seen = (await customer.get<Page<Notification>>('/v1/notifications?limit=100')).body.data;
      const its = seen.filter(({ orderId }) => orders.includes(orderId ?? ''));
      expect(its.map(({ status }) => status)).toEqual(Array(ordersEach).fill('failed'));
    }
    expect(mailbox.mails.filter(({ subject }) => orders.some((id) => subject.includes(id)))).toEqual([]);
  });

  test('sends one mail each, and one more for each that was taken without a reply, when the server fails at random', async () => {
    const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
    const orders = await orderDuring(randomFailures(chanceOf(seed)), sized(8, 60));
    await pause(sized(1_500, 20_000)); // the outage continues
    await expectMailsAfterRecovery(`fails at random, SEED=${seed}`, orders);
  });

  if (sized(0, 1) === 1) {
    test('sends a mail again with the same Message-ID when the server accepts it only after the timeout', async () => {
      const orders = await orderDuring((at) => (at === 'mail' ? { afterMs: 11_000 } : undefined));
      await until('a sender has timed out', async () => (await notificationsOf(orders)).some(wasAttempted));
      mailbox.failure = undefined;
      await until('each is sent', async () => (await notificationsOf(orders)).every(({ status }) => status === 'sent'));
      shop.history.kills += 2; // a mail is sent again for each timeout of its sender
      for (const { its } of mailsOf(orders)) expect(new Set(its).size).toBe(1);
    });
  }

  const ordersEach = 4;

  /** Starts an outage of the mail server and places orders; returns them once all are settled. */
  async function orderDuring(failure: Mailbox['failure'], each = ordersEach): Promise<string[]> {
    // open connections are past the first step
    await mailbox.close();
    mailbox.failure = failure;
    await mailbox.open();
    const since = Date.now();
    const orders = await placeOrders(customers, each).done;
    const { settledMs, notifiedMs } = await settledAndNotified(shop, orders, since);
    report(
      `${orders.length} orders were settled after ${settledMs} ms, their notifications recorded after ${notifiedMs} ms`,
    );
    expect(await outcomes(shop, orders)).toEqual({ paid: orders.length });
    return orders;
  }

  async function expectMailsAfterRecovery(what: string, orders: string[]): Promise<void> {
    mailbox.failure = undefined;
    const since = Date.now();
    await until('each is sent', async () => (await notificationsOf(orders)).every(({ status }) => status === 'sent'));
    const recoveryMs = Date.now() - since;
    record({ fault: `mail server ${what}`, count: 1, orders: orders.length, recoveriesMs: [recoveryMs] });
    report(`${recoveryMs} ms later all mails were sent`);
    shop.history.kills = Math.max(shop.history.kills, ...mailbox.unconfirmed.values());
    for (const { orderId, its } of mailsOf(orders)) {
      const again = mailbox.unconfirmed.get(its[0] ?? '') ?? 0;
      expect({ orderId, mails: its }).toEqual({ orderId, mails: Array(1 + again).fill(its[0]) });
    }
  }

  const notificationsOf = (orders: string[]) =>
    shop.sql<{ status: string; attempts: number }>(
      'select status, attempts from notifying.notifications where order_id = any ($1::uuid[])',
      [orders],
    );

  /** By their Message-ID. */
  const mailsOf = (orders: string[]) => {
    const received = Map.groupBy(mailbox.mails, ({ subject }) => orders.find((id) => subject.includes(id)));
    return orders.map((orderId) => ({
      orderId,
      its: (received.get(orderId) ?? []).map(({ notificationId }) => notificationId),
    }));
  };
});

const wasAttempted = ({ status, attempts }: { status: string; attempts: number }) =>
  status === 'queued' && attempts > 0;

/** Transient failures at random steps. */
function randomFailures(chance: Chance): Mailbox['failure'] {
  const failures: MailFailures[] = [{ code: 421 }, { code: 451 }, { isCut: true }, { afterMs: 300 }];
  return () => (chance.happens(0.2) ? chance.oneOf(failures) : undefined);
}
