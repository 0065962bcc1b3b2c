import { startShop } from '../../test/support/shop.ts';
import { seed } from '../customers.ts';
import { completed, giveUpMails, findOutcomes, mailed } from '../orders.ts';
import { checkSound } from '../sound.ts';
import type { System, Missing } from './system.ts';
import type { Shop } from './options.ts';

/** The shop as it is: with tokens, limits, signatures, a broker and mails. */
export const shopSystem = (name: Shop): System => ({
  name,
  start: async (customers) => {
    const shop = await startShop({ processes: name === 'shop-processes', mailCatcher: true });
    await seed(shop, customers);
    const accepted: string[] = [];
    return {
      guarantees:
        'Every accepted order is decided exactly once, whatever dies or is lost on the way: it is published again until the last step has committed.',
      begin: { url: shop.url },
      completed: async (sent) => {
        accepted.push(...sent.accepted.map(({ id }) => id));
        await completed(shop);
        const told = await findOutcomes(shop, sent);
        // a load starts without the mails of the one before
        if ((await mailed(shop, 30_000)) > 0) await giveUpMails(shop);
        return told;
      },
      check: () => checkSound(shop, accepted),
      killAndRestart: async () => {
        await shop.killAll();
        await shop.restart();
      },
      missing: async (ids) => {
        const [found] = await shop.sql<Missing>(
          `
          select (count(*) filter (where orders.id is null))::int as lost,
                 count(*) filter (where orders.id is not null and notifications.id is null) as stuck
            from unnest($1::uuid[]) as accepted (id)
            left join ordering.orders on orders.id = accepted.id
            left join notifying.notifications on order_id = accepted.id`,
          [ids],
        );
        if (!found) throw new Error('a count gave no row');
        return found;
      },
      stop: () => shop.stop(),
    };
  },
});
