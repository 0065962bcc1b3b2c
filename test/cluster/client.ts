import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { request } from 'undici';
import { uuidv7 } from 'uuidv7';
import { findTarget } from '#local/target.ts';
import { until } from '#test/support/until.ts';

// Customers of a shop on a cluster, which they reach only through its gateway.

/** The namespace of the shop. */
export const namespace = process.env['SHOP_NAMESPACE'] || 'shop';
const { baseUrl, host, adminEmail, adminPassword } = findTarget();
/** The host name of the shop at the gateway. */
export const domain = host ?? new URL(baseUrl).host;
/** Runs kubectl and returns its output. */
export const kubectl = async (...args: string[]) =>
  (await promisify(execFile)('kubectl', args, { maxBuffer: 64 << 20 })).stdout;

interface ApiResponse<Body> {
  status: number;
  body: Body;
}

interface RequestOptions {
  token?: string;
  body?: object;
  key?: string;
}

/** Sends a request once. A response that is not from the shop has no body. */
export async function send<Body>(
  method: 'GET' | 'POST',
  path: string,
  { token, body, key }: RequestOptions = {},
): Promise<{ status: number; text: string; body: Body | undefined }> {
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
  return { status: response.statusCode, text, body: isFromShop ? (JSON.parse(text) as Body) : undefined };
}

/** Sends a request until the response is neither a transient failure nor 429, as clients of the shop should. */
export async function ask<Body>(
  method: 'GET' | 'POST',
  path: string,
  options: RequestOptions = {},
): Promise<ApiResponse<Body>> {
  return until(`${method} ${path} returns`, async () => {
    const { status, text, body } = await send<Body>(method, path, options);
    if (body === undefined || status >= 500 || [404, 429].includes(status))
      throw new Error(`${status}: ${text.slice(0, 200)}`);
    return { status, body };
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

/** A customer with a session and an account. */
export interface Customer {
  credentials: { email: string; password: string };
  token: string;
  loggedInAt: number;
}

/** The deposit of each customer. */
export const deposit = 1_000_000;

/** Registers a customer, and deposits. */
export async function newCustomer(): Promise<Customer> {
  const credentials = { email: `${uuidv7()}@example.com`, password: 'correct horse' };
  // 409 if the response to an earlier attempt was lost
  await ask('POST', '/users', { body: { ...credentials, name: 'Ann' } });
  const customer = { credentials, token: '', loggedInAt: 0 };
  await renewSession(customer);
  const { token } = customer;
  await ask('POST', '/accounts/me/deposits', { token, key: uuidv7(), body: { amount: deposit, currency: 'usd' } });
  return customer;
}

/** Logs a customer in again whose token may end soon. */
export async function renewSession(customer: Customer): Promise<void> {
  const tokenLifeMs = 15 * 60_000;
  if (Date.now() < customer.loggedInAt + tokenLifeMs / 2) return;
  customer.token = await logIn(customer.credentials);
  customer.loggedInAt = Date.now();
}

const logIn = async (body: { email: string; password: string }) =>
  (await ask<{ token: string }>('POST', '/sessions', { body })).body.token;

/** Verifies everything that is stored about money and orders; returns the violations. */
export async function verifyLedger(): Promise<string[]> {
  const token = await logIn({ email: adminEmail, password: adminPassword });
  const { differences } = (
    await ask<{ differences: { invariant: string; subject: string; detail: string }[] }>(
      'GET',
      '/admin/ledger/verify',
      { token },
    )
  ).body;
  return differences.map(({ invariant, subject, detail }) => `${invariant}: ${subject} – ${detail}`);
}
