import { request } from 'undici';
import { uuidv7 } from 'uuidv7';
import type { Target } from '#local/target.ts';
import { until } from '#test/support/until.ts';

/** One customer of a shop behind an ingress. */
export interface Customer {
  /** Places an order for a sticker; the status of the response. */
  order(): Promise<number>;
  /** How many of the customer's orders have this status. */
  count(status: string): Promise<number>;
}

/** Registers a customer with enough money for every order of a test. */
export async function newCustomer({ baseUrl, host }: Target): Promise<Customer> {
  let token = '';
  const ask = async (method: 'GET' | 'POST', path: string, body?: object) => {
    const response = await request(`${baseUrl}/v1${path}`, {
      method,
      headers: {
        ...(host !== undefined && { host }),
        ...(token && { authorization: `Bearer ${token}` }),
        ...(body && { 'content-type': 'application/json', 'idempotency-key': uuidv7() }),
      },
      ...(body && { body: JSON.stringify(body) }),
      headersTimeout: 30_000,
    });
    return { status: response.statusCode, text: await response.body.text() };
  };
  const email = `${uuidv7()}@example.com`;
  const password = 'correct horse';
  const expected = async (status: number, ...sent: Parameters<typeof ask>) =>
    until(`${sent[0]} ${sent[1]} returns ${status}`, async () => {
      const { status: actual, text } = await ask(...sent);
      if (actual !== status) throw new Error(`${actual}: ${text.slice(0, 200)}`);
      return text;
    });
  await expected(201, 'POST', '/users', { email, password, name: 'Ann' });
  ({ token } = JSON.parse(await expected(201, 'POST', '/sessions', { email, password })) as { token: string });
  await expected(201, 'POST', '/accounts/me/deposits', { amount: 100_000, currency: 'usd' });
  return {
    order: async () => (await ask('POST', '/orders', { items: [{ sku: 'sticker', quantity: 1 }] })).status,
    count: async (status) => {
      const { data } = JSON.parse(await expected(200, 'GET', `/orders?limit=100&status=${status}`)) as {
        data: unknown[];
      };
      return data.length;
    },
  };
}
