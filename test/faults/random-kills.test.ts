import { setTimeout as wait } from 'node:timers/promises';
import { expect, jest, test } from '@jest/globals';
import { functionNames } from '#local/functions.ts';
import { chanceOf, type Chance } from './simulation/chance.ts';
import { customersWith } from '#test/support/customers.ts';
import { expectSound } from '#test/support/invariants.ts';
import { settledAndNotified, hurryMails, outcomes, placeAndCancel, placeOrders } from '#test/support/load.ts';
import { startShop, type Shop } from '#test/support/shop.ts';
import { firstSeed, hasTime, record, sized } from '#test/support/sizes.ts';
import { report, until } from '#test/support/until.ts';

// Any process is killed at any moment, under load, now and then two at once. A seed decides whom and about when:
// SEED=<n> npm test -- random-kills kills the same ones again.

const kills = sized(5, 1_000);
jest.setTimeout(180_000 + kills * 60_000);

// those that have something in their hands when an order comes are killed more often
const busy = [
  'broker',
  'postgres',
  'storefront',
  'create-order',
  'charge-account',
  'settle-order',
  'send-notification',
];
const canceling = ['cancel-order', 'refund-charge'];
/** Whoever of these is killed may leave mails that come due by themselves after a minute only. */
const mailsWait = new Set(['postgres', 'send-notification', 'mail-catcher']);

interface Stretch {
  shop: Shop;
  victims: string[];
  /** How many kills the same shop has to bear. */
  kills: number;
  ordersEach: number;
}

// promise: whoever-killed-any-moment
test('any process is killed at any moment: every order is decided and told once', async () => {
  const began = Date.now();
  for (let [done, seed] = [0, firstSeed]; done < kills && hasTime(began); seed += 1) {
    const chance = chanceOf(seed);
    // the shop's own catcher keeps only its newest 500 mails over a restart
    const mailCatcher = chance.happens(0.3);
    const shop = await startShop({ processes: true, mailCatcher });
    const victims = [...functionNames, ...busy, ...busy, ...canceling, ...(mailCatcher ? ['mail-catcher'] : [])];
    const planned = { shop, victims, kills: mailCatcher ? 5 : 40, ordersEach: mailCatcher ? 4 : 10 };
    try {
      done += await stretch({ ...planned, kills: Math.min(planned.kills, kills - done) }, chance, began);
    } catch (error) {
      throw new Error(`SEED=${seed} npm test -- random-kills\n${(error as Error).message}`, { cause: error });
    } finally {
      await shop.stop();
    }
  }
});

/** Kills so often as the same shop is to bear it; gives how often it was. */
async function stretch(its: Stretch, chance: Chance, began: number): Promise<number> {
  const { shop } = its;
  const recoveriesMs: number[] = [];
  let count = 0;
  while (count < its.kills && (count === 0 || hasTime(began))) {
    const names = new Set([chance.oneOf(its.victims), ...(chance.happens(0.2) ? [chance.oneOf(its.victims)] : [])]);
    recoveriesMs.push(await kill([...names], its, chance));
    count += names.size;
  }
  await until('every mail is on its way', async () => {
    // what no sender can have in its hands any more: it lets go after 25 s (functions/send-notification/outgoing.ts)
    await hurryMails(shop, Date.now() - 27_000);
    return (await shop.sql(`select from notifying.notifications where status = 'queued'`)).length === 0;
  });
  await expectSound(shop);
  record({ fault: 'random kill -9', count, orders: shop.story.accepted.size, recoveriesMs });
  return count;
}

/** Gives the milliseconds from the kill until every order was decided and told that had been accepted before it. */
async function kill(names: string[], { shop, ordersEach }: Stretch, chance: Chance): Promise<number> {
  const customers = await customersWith(shop, 10, ordersEach * 100);
  const fickle = await customersWith(shop, 1, 1_000);
  const known = shop.story.accepted.size;
  const placing = placeOrders(customers, ordersEach);
  const changing = placeAndCancel(fickle, 3);
  changing.catch(() => undefined);
  const moment = chance.below(ordersEach * 10 - 5);
  await until(`${moment} orders are answered`, () => placing.answered() >= moment);
  await wait(chance.below(20));
  const before = names.map((name) => shop.pidOf(name));
  names.forEach((name) => shop.kill(name));
  const died = Date.now();
  const accepted = [...shop.story.accepted].slice(known);
  const { notifiedMs } = await settledAndNotified(shop, accepted, died);
  const orders = await placing.done;
  const canceled = await changing;
  await settledAndNotified(shop, [...orders, ...canceled], died);
  if (names.some((name) => mailsWait.has(name))) await hurryMails(shop, died);
  await until('every cancel has ended', async () => !('canceling' in (await outcomes(shop, canceled))));
  expect({ names, ...(await outcomes(shop, orders)) }).toEqual({ names, paid: orders.length });
  await until(`${names.join(' and ')} were replaced`, () =>
    names.every((name, index) => ![undefined, before[index]].includes(shop.pidOf(name))),
  );
  const who = names.join(' and ').padEnd(17);
  report(`${who} killed after ${accepted.length} orders: those were told after ${(notifiedMs / 1_000).toFixed(1)} s`);
  return notifiedMs;
}
