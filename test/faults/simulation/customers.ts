import { uuidv7 } from 'uuidv7';
import { userRegistered } from '#events/user-registered.ts';
import { insertUser } from '#functions/register-user/queries.ts';
import { signToken } from '#functions/log-in/sign-token.ts';
import { beginChain } from '#platform/events/event.ts';
import type { Answer, Context } from '#platform/events/on-event.ts';
import { publish } from '#platform/events/outbox.ts';
import { verifyToken } from '#platform/http/token.ts';
import type { Chance } from './chance.ts';

export interface Customer {
  name: string;
  authorization: string;
  /** Their orders that were answered with 202. */
  orders: string[];
}

/** Something that a customer asks of a function; asked again it is the same, with the same key. */
export interface Request {
  to: 'deposit-money' | 'create-order' | 'cancel-order';
  by: Customer;
  body: Record<string, unknown>;
  key: string;
}

// a customer of an earlier seed may come again: a token costs a signature and a check, and their rows are gone
const people: { id: string; authorization: string }[] = [];

/**
 * Registers somebody as register-user does, without the hash of a password. Retried until it is carried out; resolves
 * then, or once its answer is lost for good.
 */
export async function newcomer(index: number): Promise<Customer & { register: () => Promise<void> }> {
  const known = (people[index] ??= await somebody());
  // checked once for all, because the check runs on a thread, by the real clock
  await verifyToken(known.authorization);
  const name = `customer ${index}`;
  const register = async () => {
    const event = beginChain(userRegistered.create({ userId: known.id }));
    const user = { id: known.id, email: `${known.id}@example.com`, name, passwordHash: '$argon2id$simulated' };
    if (await insertUser(user, event)) await publish(event);
  };
  return { name, authorization: known.authorization, orders: [], register };
}

async function somebody() {
  const id = uuidv7();
  return { id, authorization: `Bearer ${await signToken({ id, role: 'customer' })}` };
}

/** What a customer may want next. Prices and deposits are such that some orders cannot be paid. */
export function wish(by: Customer, chance: Chance): Request {
  const key = uuidv7();
  const what = chance.below(10);
  if (what < 3) {
    return { to: 'deposit-money', by, key, body: { amount: 100 * (1 + chance.below(5)), currency: 'usd' } };
  }
  if (what < 5 && by.orders.length > 0) {
    const orderId = chance.oneOf(by.orders);
    // an id names the same order in capitals
    return { to: 'cancel-order', by, key, body: { orderId: chance.happens(0.3) ? orderId.toUpperCase() : orderId } };
  }
  return { to: 'create-order', by, key, body: { items: [{ sku: 'pen', quantity: 1 + chance.below(4) }] } };
}

/** The same as the storefront hands over. */
export function send(handle: (context: Context) => Promise<Answer>, { by, body, key }: Request): Promise<Answer> {
  const headers = { authorization: by.authorization, 'idempotency-key': key, 'x-request-id': uuidv7() };
  return handle({ method: 'POST', headers, body });
}
