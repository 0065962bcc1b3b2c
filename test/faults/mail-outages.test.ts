import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { chanceOf, type Chance } from './simulation/chance.ts';
import { customersWith, type Customer, type Notification, type Page } from '#test/support/customers.ts';
import { expectSound } from '#test/support/invariants.ts';
import { settledAndNotified, outcomes, placeOrders } from '#test/support/load.ts';
import type { Mailbox, MailStep, MailFailures } from '#test/support/mailbox.ts';
import { startShop, type Shop } from '#test/support/shop.ts';
import { record, sized } from '#test/support/sizes.ts';
import { report, until } from '#test/support/until.ts';

// A mail server may turn mails away, take its time or vanish in the middle: orders are decided all the same, each fact
// has one notification, and a mail comes twice only where its sender could not know that it had come.

jest.setTimeout(240_000);

const modes = [
  { mode: 'all functions in one process', processes: false },
  { mode: 'each function a process of its own', processes: true },
].slice(0, sized(1, 2));

const forNow: { what: string; step: MailStep; trouble: MailFailures }[] = [
  { what: 'turns every connection away for now (421)', step: 'connection', trouble: { code: 421 } },
  { what: 'turns every connection away for good (554)', step: 'connection', trouble: { code: 554 } },
  { what: 'refuses every recipient for now (451)', step: 'recipient', trouble: { code: 451 } },
  { what: 'refuses every mail for now, after it has it (452)', step: 'mail', trouble: { code: 452 } },
  { what: 'cuts the connection before it has the mail', step: 'recipient', trouble: { isCut: true } },
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
    mailbox.trouble = undefined;
    await expectSound(shop);
  });
  afterAll(() => shop?.stop());

  // promise: while-mail-server-down
  test.each(forNow)('$what: orders are decided, and then there is one mail each', async ({ what, step, trouble }) => {
    const orders = await orderDuring((at) => (at === step ? trouble : undefined));
    await until('each mail was tried in vain', async () => (await notificationsOf(orders)).every(isTriedInVain));
    await expectMailsOnceItIsOver(what, orders);
  });

  // promise: while-mail-server-down
  test('takes a mail and cuts the connection before it says so: it comes again with the same Message-ID, and only it', async () => {
    let mails = 0;
    const orders = await orderDuring((at) => {
      if (at === 'mail') mails += 1;
      return at === 'mail' && mails % 2 === 1 ? { isCut: true } : undefined;
    });
    await until('some were cut', () => mailbox.untold.size >= orders.length / 4);
    await expectMailsOnceItIsOver('is cut before it says that it has the mail', orders);
  });

  test('is slow: orders do not wait for their mails', async () => {
    const orders = await orderDuring((at) => (at === 'mail' ? { afterMs: 2_000 } : undefined));
    const left = (await notificationsOf(orders)).filter(({ status }) => status === 'queued');
    expect(left.length).toBeGreaterThan(0);
    await expectMailsOnceItIsOver('is slow', orders);
  });

  // promise: while-mail-server-down
  test('refuses a mail for good after it has it (554): it has failed at once, and the customer can see it', async () => {
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

  test('does anything of that, by chance: one mail each, and one more for each that it took without a word', async () => {
    const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
    const orders = await orderDuring(anything(chanceOf(seed)), sized(8, 60));
    await pause(sized(1_500, 20_000)); // the trouble goes on
    await expectMailsOnceItIsOver(`makes trouble by chance, SEED=${seed}`, orders);
  });

  if (sized(0, 1) === 1) {
    test('says that it has a mail when its sender has given up waiting: it comes again with the same Message-ID', async () => {
      const orders = await orderDuring((at) => (at === 'mail' ? { afterMs: 11_000 } : undefined));
      await until('a sender has given up', async () => (await notificationsOf(orders)).some(isTriedInVain));
      mailbox.trouble = undefined;
      await until('each is sent', async () => (await notificationsOf(orders)).every(({ status }) => status === 'sent'));
      shop.story.kills += 2; // whose sender had given up
      for (const { its } of mailsOf(orders)) expect(new Set(its).size).toBe(1);
    });
  }

  const ordersEach = 4;

  /** Orders while the mail server is in trouble, from now on; gives them once all are decided. */
  async function orderDuring(trouble: Mailbox['trouble'], each = ordersEach): Promise<string[]> {
    // open connections have the first step behind them
    await mailbox.close();
    mailbox.trouble = trouble;
    await mailbox.open();
    const since = Date.now();
    const orders = await placeOrders(customers, each).done;
    const { decidedMs, notifiedMs } = await settledAndNotified(shop, orders, since);
    report(
      `${orders.length} orders were decided after ${decidedMs} ms, their notifications recorded after ${notifiedMs} ms`,
    );
    expect(await outcomes(shop, orders)).toEqual({ paid: orders.length });
    return orders;
  }

  async function expectMailsOnceItIsOver(what: string, orders: string[]): Promise<void> {
    mailbox.trouble = undefined;
    const since = Date.now();
    await until('each is sent', async () => (await notificationsOf(orders)).every(({ status }) => status === 'sent'));
    const recoveryMs = Date.now() - since;
    record({ fault: `mail server ${what}`, count: 1, orders: orders.length, recoveriesMs: [recoveryMs] });
    report(`${recoveryMs} ms later all mails were sent`);
    shop.story.kills = Math.max(shop.story.kills, ...mailbox.untold.values());
    for (const { orderId, its } of mailsOf(orders)) {
      const again = mailbox.untold.get(its[0] ?? '') ?? 0;
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

const isTriedInVain = ({ status, attempts }: { status: string; attempts: number }) =>
  status === 'queued' && attempts > 0;

/** Trouble that passes. */
function anything(chance: Chance): Mailbox['trouble'] {
  const troubles: MailFailures[] = [{ code: 421 }, { code: 451 }, { isCut: true }, { afterMs: 300 }];
  return () => (chance.happens(0.2) ? chance.oneOf(troubles) : undefined);
}
