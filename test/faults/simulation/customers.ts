import { uuidv7 } from 'uuidv7';
import { userRegistered } from '#events/user-registered.ts';
import { insertUser } from '#functions/register-user/queries.ts';
import { beginChain } from '#platform/events/event.ts';
import type { FunctionResponse, Invocation } from '#platform/events/on-event.ts';
import type { ProcessContext } from '#platform/runtime/context.ts';
import { signToken } from '#test/support/context.ts';
import type { Chance } from './chance.ts';

export interface Customer {
  name: string;
  authorization: string;
  /** Their orders that were accepted with 202. */
  orders: string[];
}

/** A request of a customer to a function; a retry is the same request with the same key. */
export interface Request {
  to: 'deposit-money' | 'create-order' | 'cancel-order';
  by: Customer;
  body: Record<string, unknown>;
  key: string;
}

// reused by later seeds, after their rows are deleted: a token costs a signature and a check
const identities: { id: string; authorization: string }[] = [];

/**
 * A customer who registers as by register-user, without the hash of a password. `register` rejects when it is
 * interrupted, and may be called again.
 */
export async function newCustomer(
  index: number,
  { database, outbox, verifyToken }: ProcessContext,
): Promise<Customer & { register: () => Promise<void> }> {
  const identity = (identities[index] ??= await newIdentity());
  // checked by both processes here, because the check runs on a thread, by the real clock
  await verifyToken(identity.authorization);
  const name = `customer ${index}`;
  const register = async () => {
    const event = beginChain(userRegistered.create({ userId: identity.id }));
    const user = { id: identity.id, email: `${identity.id}@example.com`, name, passwordHash: '$argon2id$simulated' };
    if (await insertUser(database, user, event)) await outbox.publish(event);
  };
  return { name, authorization: identity.authorization, orders: [], register };
}

async function newIdentity() {
  const id = uuidv7();
  return { id, authorization: `Bearer ${await signToken({ id, role: 'customer' })}` };
}

/** The next request of a customer. Prices and deposits are such that some orders cannot be paid. */
export function nextRequest(by: Customer, chance: Chance): Request {
  const key = uuidv7();
  const what = chance.below(10);
  if (what < 3) {
    return { to: 'deposit-money', by, key, body: { amount: 100 * (1 + chance.below(5)), currency: 'usd' } };
  }
  if (what < 5 && by.orders.length > 0) {
    const orderId = chance.oneOf(by.orders);
    // an id in capitals names the same order
    return { to: 'cancel-order', by, key, body: { orderId: chance.happens(0.3) ? orderId.toUpperCase() : orderId } };
  }
  return { to: 'create-order', by, key, body: { items: [{ sku: 'pen', quantity: 1 + chance.below(4) }] } };
}

/** Calls a function as the storefront does. */
export function send(
  served: (invocation: Invocation) => Promise<FunctionResponse>,
  { by, body, key }: Request,
): Promise<FunctionResponse> {
  const headers = { authorization: by.authorization, 'idempotency-key': key, 'x-request-id': uuidv7() };
  return served({ method: 'POST', headers, body });
}
