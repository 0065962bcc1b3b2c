import { CloudEvent, HTTP, type CloudEventV1 } from 'cloudevents';
import { uuidv7 } from 'uuidv7';
import { beginChain, type EventContract, type EventData, type ShopEvent } from '#platform/events/event.ts';
import { signed } from '#test/support/context.ts';
import type { Customer, Page } from './customers.ts';
import { call } from './api.ts';
import type { Shop } from './shop.ts';

/** An event as its producer publishes it: signed with the shop's key, the first of its chain. */
export function eventOf<Data extends EventData>(contract: EventContract<Data>, data: Data): ShopEvent {
  return signed(beginChain(contract.create(data)));
}

/** The event with changes and a valid signature, as a faulty release of the shop would publish it. */
export function resigned(event: ShopEvent, changes: Partial<ShopEvent>): ShopEvent {
  return signed({ ...event, ...changes });
}

/** Posts an event to the broker in binary mode (CloudEvents HTTP binding 1.0, section 3.1); returns the status. */
export async function post({ brokerUrl }: Shop, event: CloudEventV1<unknown>): Promise<number> {
  const { headers, body } = HTTP.binary(new CloudEvent(event, false));
  return postRaw({ brokerUrl }, headers as { [name: string]: string }, body as string);
}

/** Posts any headers and body to the broker. */
export async function postRaw(
  { brokerUrl }: Pick<Shop, 'brokerUrl'>,
  headers: { [name: string]: string },
  body: string,
): Promise<number> {
  const response = await fetch(brokerUrl, { method: 'POST', headers, body, signal: AbortSignal.timeout(30_000) });
  await response.arrayBuffer();
  return response.status;
}

export interface DeadLetter {
  id: string;
  status: string;
  verified: boolean;
  times: number;
  reason: string;
  detail: string;
  eventId: string;
  type: string;
}

/** The newest dead letters, as the administrator sees them. */
export async function deadLetters(shop: Shop, token: string): Promise<DeadLetter[]> {
  return (await call<Page<DeadLetter>>(shop, 'GET', '/v1/admin/dead-letters?limit=100', { token })).body.data;
}

/** Inserts an accepted order without its outbox row: no order.placed is ever published for it. */
export async function orderWithoutEvent(
  shop: Shop,
  { id: userId }: Customer,
  total: number,
  orderId: string = uuidv7(),
): Promise<string> {
  const [order] = await shop.sql<{ id: string }>(
    `with placed as (
       insert into ordering.orders (id, user_id, idempotency_key, request_hash, total, currency)
       values ($3, $1, gen_random_uuid(), '', $2, 'usd')
       returning id, total
     ), lines as (
       insert into ordering.order_lines (order_id, line, sku, name, quantity, unit_price)
       select id, 1, 'sticker', 'Sticker', total, 1 from placed
     )
     select id from placed`,
    [userId, total, orderId],
  );
  if (!order) throw new Error('no order');
  return order.id;
}
