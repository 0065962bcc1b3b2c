import { readFileSync } from 'node:fs';
import { expect } from '@jest/globals';
import { userRegistered } from '#events/user-registered.ts';
import { ping } from '#local/ping.ts';
import { writeEvent } from '#platform/events/event-http.ts';
import { register } from './customers.ts';
import { eventOf, post } from './events.ts';
import type { Shop } from './shop.ts';
import { until } from './until.ts';

/**
 * Lets every function do its work once: a customer registers, deposits, orders and cancels, a forged event is parked, and
 * sweep gets its ping. Resolves with the ids of both orders once they are settled.
 */
export async function useEverything(shop: Shop): Promise<string[]> {
  const forged = eventOf(userRegistered, userRegistered.sample);
  shop.history.broken.add(forged.id);
  const forgery = until(
    'the broker accepts a forged event',
    async () => (await post(shop, { ...forged, signature: 'none' })) === 202,
  );
  const pinged = until('sweep has handled its ping', () => sweep(shop));
  const customer = await register(shop);
  await customer.deposit(1_000);
  const paid = await customer.order('pen');
  expect(await customer.settled(paid.id)).toMatchObject({ status: 'paid' });
  const canceled = await customer.order('pen');
  await customer.settled(canceled.id);
  await customer.cancel(canceled.id);
  expect(await customer.settled(canceled.id)).toMatchObject({ status: 'refunded' });
  await Promise.all([forgery, pinged]);
  return [paid.id, canceled.id];
}

/** Sends sweep its ping, as PingSource does. */
async function sweep(shop: Shop): Promise<boolean> {
  const environment = readFileSync(`/proc/${shop.pidOf('sweep')}/environ`, 'utf8');
  const port = /(?:^|\0)PORT=(\d+)/.exec(environment)?.[1];
  const { headers, body } = writeEvent(ping());
  const { status } = await fetch(`http://127.0.0.1:${port}`, { method: 'POST', headers, body: String(body) });
  return status === 204;
}
