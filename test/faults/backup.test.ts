import { setTimeout as wait } from 'node:timers/promises';
import { expect, jest, test } from '@jest/globals';
import type pg from 'pg';
import { migrate } from '#database/migrate.ts';
import { withEmptyDatabase } from '#database/scratch.ts';
import { copyDatabase, restoreCopy } from '#test/support/copy-database.ts';
import { customersWith } from '#test/support/customers.ts';
import {
  expectSound,
  invariants,
  mailViolations,
  parameters,
  type SentMail,
  type Violation,
} from '#test/support/invariants.ts';
import { settledAndNotified, hurryMails, placeAndCancel, placeOrders } from '#test/support/load.ts';
import { startShop, type Shop } from '#test/support/shop.ts';
import { recordCheck, record, sized } from '#test/support/sizes.ts';
import { report, until } from '#test/support/until.ts';

// A backup that is taken while orders are placed is a consistent snapshot: a shop that is started on it has every order
// that was accepted before, and each of them is settled and notified.

jest.setTimeout(240_000);

const customers = sized(20, 50);

// promise: backup
test('settles and notifies every order of a backup taken under load when a shop is started on it', async () => {
  const shop = await startShop();
  try {
    // a database server of its own, alongside the shop's: roles belong to a server
    await withEmptyDatabase(async (client, url) => {
      await migrate(url);
      const accepted = await backUp(shop, url);
      expect(await wrongIn(client, accepted)).toEqual([]);
      const open = await openIn(client);
      // otherwise nothing was in flight when the copy was taken
      expect(Number(open.chains)).toBeGreaterThan(0);
      await resume(url, accepted, await shop.mails(), open);
    }, '');
  } finally {
    await shop.stop();
  }
});

/** Copies the shop's database under load; returns the orders that were accepted before. */
async function backUp(shop: Shop, url: string): Promise<string[]> {
  const ordering = await customersWith(shop, customers, 1_000);
  const placing = placeOrders(ordering, 15);
  const canceling = placeAndCancel(ordering.slice(0, 5), 4);
  canceling.catch(() => undefined);
  await until('a hundred orders are accepted', () => placing.accepted() >= 100);
  const accepted = [...shop.history.accepted];
  // orders are placed between the reads of two tables: the copy must be one snapshot all the same
  const copy = await copyDatabase(shop.databaseUrl, () => wait(30));
  const during = shop.history.accepted.size - accepted.length;
  expect(during).toBeGreaterThan(0);
  await restoreCopy(url, copy);
  await placing.done;
  await canceling;
  await expectSound(shop);
  report(`copied with ${accepted.length} orders accepted; ${during} more while it was copied`);
  return accepted;
}

/** Violations of what must hold at any time. */
async function wrongIn(client: pg.Client, accepted: string[]): Promise<Violation[]> {
  const given = parameters({ accepted, canceled: [], broken: [], earlier: [] });
  const { rows } = await client.query<Violation>(invariants, given);
  const wrong = rows.filter(({ holds }) => holds === 'always');
  recordCheck(wrong);
  return wrong;
}

interface Open {
  orders: string;
  chains: string;
  mails: string;
}

/** Counts the orders in the copy, and the chains and mails in flight. */
async function openIn(client: pg.Client): Promise<Open> {
  const { rows } = await client.query<Open>(
    `select (select count(*) from ordering.orders) as orders,
            (select count(*) from events.outbox) as chains,
            (select count(*) from notifying.notifications where status = 'queued') as mails`,
  );
  return rows[0] as Open;
}

/**
 * Starts a shop on the copy and waits until every order in it is settled and notified. `earlier` are the mails before.
 */
async function resume(url: string, accepted: string[], earlier: Awaited<ReturnType<Shop['mails']>>, open: Open) {
  const began = Date.now();
  const shop = await startShop({ existingDatabase: url });
  try {
    const openMs = Date.now() - began;
    const orders = (await shop.sql<{ id: string }>('select id from ordering.orders')).map(({ id }) => id);
    expect(orders).toEqual(expect.arrayContaining(accepted));
    for (const id of orders) shop.history.accepted.add(id);
    const { notifiedMs } = await settledAndNotified(shop, orders, began);
    await hurryMails(shop, began);
    // the earlier mails went to another mail server: those that the copy has as sent are not expected here
    const sent = () => shop.sql<SentMail>('select id, status, recipient from notifying.notifications');
    const known = new Set((await sent()).map(({ id }) => id));
    const ofCopy = earlier.filter(({ notificationId }) => known.has(notificationId));
    await until('every mail has arrived', async () => {
      // a mail that was sent after the copy was taken is sent again, with the same Message-ID
      const found = mailViolations(await sent(), [...ofCopy, ...(await shop.mails())], 1);
      return found.length === 0;
    });
    await until('the copy is at rest', async () => {
      const found = await shop.sql<Violation>(
        invariants,
        parameters({ accepted: orders, canceled: [], broken: [], earlier: [] }),
      );
      return found.length === 0;
    });
    recordCheck([]);
    const before = new Set(ofCopy.map(({ notificationId }) => notificationId));
    const again = (await shop.mails()).filter(({ notificationId }) => before.has(notificationId)).length;
    report(
      `${open.orders} orders with ${open.chains} open chains and ${open.mails} open mails: the shop on the copy was ` +
        `open after ${seconds(openMs)}, all were notified after ${seconds(notifiedMs)}; ${again} mails were sent again`,
    );
    record({ fault: 'backup under load', count: 1, orders: orders.length, recoveriesMs: [notifiedMs] });
    // it also takes new orders
    const [customer] = await customersWith(shop, 1, 100);
    const order = await customer?.order('pen');
    expect(await customer?.settled(order?.id ?? '')).toMatchObject({ status: 'paid' });
  } finally {
    await shop.stop();
  }
}

const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
