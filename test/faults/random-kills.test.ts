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

// Kills any process at any time, under load, sometimes two at once. A seed decides which and roughly when:
// SEED=<n> npm run test:faults -- random-kills kills the same ones again.

const kills = sized(5, 1_000);
jest.setTimeout(180_000 + kills * 60_000);

// processes that every order passes are killed more often
const busy = [
  'broker',
  'postgres',
  'storefront',
  'create-order',
  'charge-account',
  'settle-order',
  'send-notification',
];
const cancelPath = ['cancel-order', 'refund-charge'];
/** If one of these is killed, mails may stay queued until they come due after a minute. */
const mailsWait = new Set(['postgres', 'send-notification', 'mail-catcher']);

interface Plan {
  shop: Shop;
  victims: string[];
  /** How many kills the same shop has to survive. */
  kills: number;
  ordersEach: number;
}

// promise: killed-at-any-time
test('settles and notifies every order once when any process is killed at any time', async () => {
  const began = Date.now();
  for (let [done, seed] = [0, firstSeed]; done < kills && hasTime(began); seed += 1) {
    const chance = chanceOf(seed);
    // the shop's own mail catcher retains only its newest 500 mails when it restarts
    const mailCatcher = chance.happens(0.3);
    const shop = await startShop({ processes: true, mailCatcher });
    const victims = [...functionNames, ...busy, ...busy, ...cancelPath, ...(mailCatcher ? ['mail-catcher'] : [])];
    const planned = { shop, victims, kills: mailCatcher ? 5 : 40, ordersEach: mailCatcher ? 4 : 10 };
    try {
      done += await runPlan({ ...planned, kills: Math.min(planned.kills, kills - done) }, chance, began);
    } catch (error) {
      throw new Error(`SEED=${seed} npm run test:faults -- random-kills\n${(error as Error).message}`, {
        cause: error,
      });
    } finally {
      await shop.stop();
    }
  }
});

/** Kills processes of one shop as often as planned, if the time suffices; returns the number of kills. */
async function runPlan(its: Plan, chance: Chance, began: number): Promise<number> {
  const { shop } = its;
  const recoveriesMs: number[] = [];
  let count = 0;
  while (count < its.kills && (count === 0 || hasTime(began))) {
    const names = new Set([chance.oneOf(its.victims), ...(chance.happens(0.2) ? [chance.oneOf(its.victims)] : [])]);
    recoveriesMs.push(await kill([...names], its, chance));
    count += names.size;
  }
  await until('every mail is sent', async () => {
    // only mails that no sender can still hold: its deadline is 25 s (functions/send-notification/outgoing.ts)
    await hurryMails(shop, Date.now() - 27_000);
    return (await shop.sql(`select from notifying.notifications where status = 'queued'`)).length === 0;
  });
  await expectSound(shop);
  record({ fault: 'random kill -9', count, orders: shop.history.accepted.size, recoveriesMs });
  return count;
}

/** Returns the milliseconds from the kill until every order accepted before it was settled and notified. */
async function kill(names: string[], { shop, ordersEach }: Plan, chance: Chance): Promise<number> {
  const customers = await customersWith(shop, 10, ordersEach * 100);
  const cancelers = await customersWith(shop, 1, 1_000);
  const known = shop.history.accepted.size;
  const placing = placeOrders(customers, ordersEach);
  const canceling = placeAndCancel(cancelers, 3);
  canceling.catch(() => undefined);
  const threshold = chance.below(ordersEach * 10 - 5);
  await until(`${threshold} orders are accepted`, () => placing.accepted() >= threshold);
  await wait(chance.below(20));
  const before = names.map((name) => shop.pidOf(name));
  names.forEach((name) => shop.kill(name));
  const died = Date.now();
  const accepted = [...shop.history.accepted].slice(known);
  const { notifiedMs } = await settledAndNotified(shop, accepted, died);
  const orders = await placing.done;
  const canceled = await canceling;
  await settledAndNotified(shop, [...orders, ...canceled], died);
  if (names.some((name) => mailsWait.has(name))) await hurryMails(shop, died);
  await until('every cancel has ended', async () => !('canceling' in (await outcomes(shop, canceled))));
  expect({ names, ...(await outcomes(shop, orders)) }).toEqual({ names, paid: orders.length });
  await until(`${names.join(' and ')} were replaced`, () =>
    names.every((name, index) => ![undefined, before[index]].includes(shop.pidOf(name))),
  );
  const killed = names.join(' and ').padEnd(17);
  report(
    `${killed} killed after ${accepted.length} orders: those were notified after ${(notifiedMs / 1_000).toFixed(1)} s`,
  );
  return notifiedMs;
}
