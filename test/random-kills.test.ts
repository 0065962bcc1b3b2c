import { setTimeout as wait } from 'node:timers/promises';
import { expect, jest, test } from '@jest/globals';
import { functionNames } from '#local/functions.ts';
import { chanceOf, type Chance } from './simulation/chance.ts';
import { customersWith, type Customer } from './support/customers.ts';
import { expectSound } from './support/invariants.ts';
import { decidedAndTold, hurryMails, outcomes, placeAndCancel, placeOrders } from './support/load.ts';
import { startShop, type Shop } from './support/shop.ts';
import { firstSeed, hasTime, record, sized } from './support/sizes.ts';
import { report, until } from './support/until.ts';

// Any process is killed at any moment, under load, one after the other. A seed decides whom and about when:
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

test('any process is killed at any moment: every order is decided and told once', async () => {
  const began = Date.now();
  const chance = chanceOf(firstSeed);
  for (let [done, stretches] = [0, 0]; done < kills && hasTime(began); stretches += 1) {
    // the shop's own catcher keeps only its newest 500 mails over a restart
    const mailCatcher = stretches % 3 === 0;
    const shop = await startShop({ processes: true, mailCatcher });
    const victims = [
      ...functionNames,
      ...busy,
      ...busy,
      ...canceling,
      'broker',
      ...(mailCatcher ? ['mail-catcher'] : []),
    ];
    const planned = { shop, victims, kills: mailCatcher ? 5 : 40, ordersEach: mailCatcher ? 4 : 10 };
    try {
      done += await stretch({ ...planned, kills: Math.min(planned.kills, kills - done) }, chance, began);
    } catch (error) {
      throw new Error(`SEED=${firstSeed} npm test -- random-kills\n${(error as Error).message}`, { cause: error });
    } finally {
      await shop.stop();
    }
  }
});

/** Kills so often as the same shop is to bear it; gives how often it was. */
async function stretch(its: Stretch, chance: Chance, began: number): Promise<number> {
  const { shop } = its;
  const recoveriesMs: number[] = [];
  while (recoveriesMs.length < its.kills && (recoveriesMs.length === 0 || hasTime(began))) {
    recoveriesMs.push(await killOne(its, chance));
  }
  await until('every mail is on its way', async () => {
    // what no sender can have in its hands any more, of those that have met a mail server that was down
    await hurryMails(shop, Date.now() - 3_000);
    return (await shop.sql(`select from notifying.notifications where status = 'queued'`)).length === 0;
  });
  await expectSound(shop);
  record({ fault: 'random kill -9', count: recoveriesMs.length, orders: shop.story.accepted.size, recoveriesMs });
  return recoveriesMs.length;
}

/** Gives the milliseconds from the kill until every order was decided and told that had been accepted before it. */
async function killOne({ shop, victims, ordersEach }: Stretch, chance: Chance): Promise<number> {
  const name = chance.oneOf(victims);
  const customers = await customersWith(shop, 10, ordersEach * 100);
  const [canceler] = (await customersWith(shop, 1, 1_000)) as [Customer];
  const known = shop.story.accepted.size;
  const placing = placeOrders(customers, ordersEach);
  const canceling = placeAndCancel([canceler], 3);
  canceling.catch(() => undefined);
  const moment = chance.below(ordersEach * 10 - 5);
  await until(`${moment} orders are answered`, () => placing.answered() >= moment);
  await wait(chance.below(20));
  const before = shop.pidOf(name);
  shop.kill(name);
  const died = Date.now();
  const accepted = [...shop.story.accepted].slice(known);
  const { toldMs } = await decidedAndTold(shop, accepted, died);
  const orders = await placing.done;
  const canceled = await canceling;
  await decidedAndTold(shop, [...orders, ...canceled], died);
  if (mailsWait.has(name)) await hurryMails(shop, died);
  await until('every cancel has ended', async () => !('canceling' in (await outcomes(shop, canceled))));
  expect({ name, ...(await outcomes(shop, orders)) }).toEqual({ name, paid: orders.length });
  await until(`${name} was replaced`, () => ![undefined, before].includes(shop.pidOf(name)));
  const seconds = (toldMs / 1_000).toFixed(1);
  report(`${name.padEnd(17)} killed after ${accepted.length} orders: those were told after ${seconds} s`);
  return toldMs;
}
