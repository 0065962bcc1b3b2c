import { setTimeout as pause } from 'node:timers/promises';
import { uuidv7 } from 'uuidv7';
import { send, type Customer } from './client.ts';

/** An order that a customer has sent, and its responses. Times are in milliseconds since 1970. */
export interface SentOrder {
  customer: Customer;
  key: string;
  items: { sku: string; quantity: number }[];
  /** `cancel`: the customer cancels it once it is accepted. `reject`: it costs more than the customer has. */
  kind: 'keep' | 'cancel' | 'reject';
  sentAt: number;
  /** When the first response, or the end of the connection, arrived. */
  respondedAt?: number;
  /** The first response: its status, or `no response`. */
  response?: string;
  id?: string;
  /** When the response with 202 arrived: after repeats, if the first response was another one. */
  acceptedAt?: number;
  /** When the response with 202 to the cancel arrived. */
  cancelAcceptedAt?: number;
}

/** The times of a row end long before this; a customer who waits longer is an error. */
const repeatForMs = 120_000;

async function sendOrder(order: SentOrder): Promise<string> {
  const { customer, key, items } = order;
  try {
    const { status, body } = await send<{ id: string }>('POST', '/orders', {
      token: customer.token,
      key,
      body: { items },
    });
    if (status === 202 && body) {
      order.id = body.id;
      order.acceptedAt = Date.now();
    }
    return String(status);
  } catch {
    return 'no response';
  }
}

/** Repeats a request until `isDone`, as customers of the shop should. */
async function repeat(what: string, isDone: () => Promise<boolean>): Promise<void> {
  const endAt = Date.now() + repeatForMs;
  while (!(await isDone().catch(() => false))) {
    if (Date.now() > endAt) throw new Error(`no response with 202 within ${repeatForMs / 1_000} s to ${what}`);
    await pause(500);
  }
}

function cancel(order: SentOrder): Promise<void> {
  return repeat(`the cancel of ${order.id}`, async () => {
    const { status } = await send('POST', `/orders/${order.id}/cancel`, { token: order.customer.token });
    if (status === 202) order.cancelAcceptedAt = Date.now();
    return status === 202;
  });
}

export interface Load {
  /** Every order so far. */
  orders: SentOrder[];
  /** Sends no more, and waits for the responses. */
  stop(): Promise<void>;
  /** Repeats the orders that were not accepted, with their keys, until each is. */
  repeatRefused(): Promise<void>;
}

/**
 * Sends `rate` orders a second, whatever the responses are (open loop), by each customer in turn. Of 20 orders, three are
 * canceled once they are accepted, and one is more than its customer can pay.
 */
export function startLoad(customers: Customer[], rate: number): Load {
  const orders: SentOrder[] = [];
  const inFlight = new Set<Promise<void>>();
  let running = true;
  let failure: unknown;

  const follow = (work: Promise<void>) => {
    const followed = work
      .catch((error: unknown) => {
        failure ??= error;
      })
      .finally(() => inFlight.delete(followed));
    inFlight.add(followed);
  };

  async function place(order: SentOrder): Promise<void> {
    order.response = await sendOrder(order);
    order.respondedAt = Date.now();
    if (order.acceptedAt !== undefined && order.kind === 'cancel') await cancel(order);
  }

  const sending = (async () => {
    const beganAt = Date.now();
    for (let count = 0; running; count += 1) {
      const waitMs = beganAt + (count * 1_000) / rate - Date.now();
      if (waitMs > 0) await pause(waitMs);
      // shifted by one in each pass, so that everyone sends every kind
      const customer = customers[(count + Math.floor(count / customers.length)) % customers.length];
      if (!customer || !running) break;
      const nth = count % 20;
      const kind = nth === 19 ? 'reject' : nth % 6 === 5 ? 'cancel' : 'keep';
      const items = [kind === 'reject' ? { sku: 'desk', quantity: 1_000 } : { sku: 'pen', quantity: 1 + (count % 3) }];
      const order: SentOrder = { customer, key: uuidv7(), items, kind, sentAt: Date.now() };
      orders.push(order);
      follow(place(order));
    }
  })();

  const settled = async () => {
    while (inFlight.size > 0) await Promise.all(inFlight);
    if (failure) throw failure;
  };
  return {
    orders,
    stop: async () => {
      running = false;
      await sending;
      await settled();
    },
    repeatRefused: async () => {
      const refused = orders.filter(({ acceptedAt }) => acceptedAt === undefined).values();
      const one = async () => {
        for (const order of refused) {
          await repeat(`the order with the key ${order.key}`, async () => (await sendOrder(order)) === '202');
          if (order.kind === 'cancel') await cancel(order);
        }
      };
      await Promise.all(Array.from({ length: 8 }, one));
    },
  };
}
