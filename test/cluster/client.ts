import { execFile } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { request } from 'undici';
import { uuidv7 } from 'uuidv7';
import { findTarget } from '#local/target.ts';
import { until } from '#test/support/until.ts';

// Customers of a shop on a cluster, which they reach only through its gateway.

/** The namespace of the shop. */
export const namespace = process.env['SHOP_NAMESPACE'] || 'shop';
const { baseUrl, host } = findTarget();
/** The host name of the shop at the gateway. */
export const domain = host ?? new URL(baseUrl).host;
/** Runs kubectl and returns its output. */
export const kubectl = async (...args: string[]) => (await promisify(execFile)('kubectl', args)).stdout;

interface ApiResponse<Body> {
  status: number;
  body: Body;
}

/** Sends a request until the response is neither a transient failure nor 429, as clients of the shop should. */
export async function ask<Body>(
  method: 'GET' | 'POST',
  path: string,
  { token, body, key }: { token?: string; body?: object; key?: string } = {},
): Promise<ApiResponse<Body>> {
  return until(`${method} ${path} returns`, async () => {
    const response = await request(`${baseUrl}/v1${path}`, {
      method,
      headers: {
        ...(host !== undefined && { host }),
        ...(token && { authorization: `Bearer ${token}` }),
        ...(key && { 'idempotency-key': key }),
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
      headersTimeout: 15_000,
      bodyTimeout: 15_000,
    });
    const text = await response.body.text();
    const isFromShop = response.headers['content-type']?.includes('json') ?? false;
    if (!isFromShop || response.statusCode >= 500 || [404, 429].includes(response.statusCode))
      throw new Error(`${response.statusCode}: ${text.slice(0, 200)}`);
    return { status: response.statusCode, body: JSON.parse(text) as Body };
  });
}

export async function all<Row>(path: string, token: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const page: ApiResponse<{ data: Row[]; nextCursor: string | null }> = await ask(
      'GET',
      `${path}?limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`,
      { token },
    );
    rows.push(...page.body.data);
    cursor = page.body.nextCursor;
  }
  return rows;
}

/** A customer, and what the shop has accepted from them. */
export interface Customer {
  token: string;
  /** Orders that were accepted with 202. */
  ordered: Set<string>;
  canceled: Set<string>;
}

/** The deposit of each customer. */
export const deposit = 1_000_000;

/** Registers a customer, and deposits. */
export async function newCustomer(): Promise<Customer> {
  const credentials = { email: `${uuidv7()}@example.com`, password: 'correct horse' };
  // 409 if the response to an earlier attempt was lost
  await ask('POST', '/users', { body: { ...credentials, name: 'Ann' } });
  const { token } = (await ask<{ token: string }>('POST', '/sessions', { body: credentials })).body;
  await ask('POST', '/accounts/me/deposits', { token, key: uuidv7(), body: { amount: deposit, currency: 'usd' } });
  return { token, ordered: new Set(), canceled: new Set() };
}

/** Orders pens until `endAt` and cancels every fourth one; few enough that each order gets a separate mail. */
export async function shopUntil(endAt: number, { token, ordered, canceled }: Customer): Promise<void> {
  const body = { items: [{ sku: 'pen', quantity: 1 }] };
  for (let count = 1; Date.now() < endAt && count <= 20; count += 1) {
    const { status, body: order } = await ask<{ id: string }>('POST', '/orders', { token, key: uuidv7(), body });
    if (status !== 202) throw new Error(`an order returned ${status}`);
    ordered.add(order.id);
    if (count % 4 === 0) {
      await ask('POST', `/orders/${order.id}/cancel`, { token });
      canceled.add(order.id);
    }
    await pause(250);
  }
}
