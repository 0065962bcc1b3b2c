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
 * Lets every function do its work once: somebody registers, deposits, orders and cancels, a forged event is parked, and
 * the ping comes. Resolves once both orders are decided; gives their ids.
 */
export async function useEverything(shop: Shop): Promise<string[]> {
  const forged = eventOf(userRegistered, userRegistered.sample);
  shop.story.broken.add(forged.id);
  const stranger = until(
    'a forged event is parked',
    async () => (await post(shop, { ...forged, signature: 'none' })) === 202,
  );
  const pinged = until('sweep has answered', () => sweep(shop));
  const customer = await register(shop);
  await customer.deposit(1_000);
  const kept = await customer.order('pen');
  expect(await customer.decided(kept.id)).toMatchObject({ status: 'paid' });
  const changed = await customer.order('pen');
  await customer.decided(changed.id);
  await customer.cancel(changed.id);
  expect(await customer.decided(changed.id)).toMatchObject({ status: 'refunded' });
  await Promise.all([stranger, pinged]);
  return [kept.id, changed.id];
}

/** Brings sweep its ping, as PingSource does. */
async function sweep(shop: Shop): Promise<boolean> {
  const environment = readFileSync(`/proc/${shop.pidOf('sweep')}/environ`, 'utf8');
  const port = /(?:^|\0)PORT=(\d+)/.exec(environment)?.[1];
  const { headers, body } = writeEvent(ping());
  const answer = await fetch(`http://127.0.0.1:${port}`, { method: 'POST', headers, body: String(body) });
  return answer.status === 204;
}
