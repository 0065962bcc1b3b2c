import { startShop } from '../../test/support/shop.ts';
import { seed } from '../customers.ts';
import { checkInvariants } from '../invariants.ts';
import { discardQueuedMails, readOutcomes, waitForCompletion, waitForMails } from '../orders.ts';
import type { ShopName } from './options.ts';
import type { Missing, System } from './system.ts';

/** The complete shop, with tokens, limits, signatures, a broker and mails. */
export const shopSystem = (name: ShopName): System => ({
  name,
  start: async (customers) => {
    const shop = await startShop({ processes: name === 'shop-processes', mailCatcher: true });
    await seed(shop, customers);
    const accepted: string[] = [];
    return {
      target: { url: shop.url },
      completed: async (sent) => {
        accepted.push(...sent.accepted.map(({ id }) => id));
        await waitForCompletion(shop);
        const outcomes = await readOutcomes(shop, sent);
        // the next load starts without the mails of this one
        if ((await waitForMails(shop, 30_000)) > 0) await discardQueuedMails(shop);
        return outcomes;
      },
      check: () => checkInvariants(shop, accepted),
      killAndRestart: async () => {
        await shop.killAll();
        await shop.restart();
      },
      missing: async (ids) => {
        const [missing] = await shop.sql<Missing>(
          `
          select (count(*) filter (where orders.id is null))::int as lost,
                 count(*) filter (where orders.id is not null and notifications.id is null) as stuck
            from unnest($1::uuid[]) as accepted (id)
            left join ordering.orders on orders.id = accepted.id
            left join notifying.notifications on order_id = accepted.id`,
          [ids],
        );
        if (!missing) throw new Error('a count returned no row');
        return missing;
      },
      stop: () => shop.stop(),
    };
  },
});
