// npm run test:cluster (by ./shop.sh faults): deletes pods by force while customers order, and looks for what was lost.
import { execFile } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import { request } from 'undici';
import { uuidv7 } from 'uuidv7';
import { functionNames } from '#local/functions.ts';
import { findTarget } from '#local/newman.ts';
import { until } from '../support/until.ts';

const help = `Deletes pods by force (--grace-period=0 --force) in the middle of orders, cancels, deposits and registrations: of
each function, of the broker and of Postgres in turn. Then every order that was answered with 202 has to be there,
decided, charged once and told once. For a shop without customers: it registers its own.

  ./shop.sh faults           each victim once, Postgres ten times
  npm run test:cluster -- --only postgres,broker --rounds 3

  --only NAMES    postgres, broker, or functions by their names, with commas
  --rounds N      how often each of them
`;

const { values } = parseArgs({
  options: { help: { type: 'boolean', short: 'h' }, only: { type: 'string' }, rounds: { type: 'string' } },
});
if (values.help) {
  process.stdout.write(help);
  process.exit(0);
}

const namespace = process.env['SHOP_NAMESPACE'] || 'shop';
const { baseUrl, host } = findTarget();
const say = (line: string) => process.stdout.write(`${line}\n`);
const kubectl = async (...args: string[]) => (await promisify(execFile)('kubectl', args)).stdout;

/** Where the pods of a victim are, and by which label. */
const places: Record<string, [namespace: string, selector: string]> = {
  postgres: [namespace, 'app=postgres'],
  'broker ingress': ['knative-eventing', 'eventing.knative.dev/brokerRole=ingress'],
  'broker filter': ['knative-eventing', 'eventing.knative.dev/brokerRole=filter'],
  dispatcher: ['knative-eventing', 'messaging.knative.dev/role=dispatcher'],
  'mail-catcher': [namespace, 'app=mail-catcher'],
  ...Object.fromEntries(functionNames.map((name) => [name, [namespace, `serving.knative.dev/service=${name}`]])),
};
const groups: Record<string, string[]> = { broker: ['broker ingress', 'broker filter', 'dispatcher'] };

interface Answer<Body> {
  status: number;
  body: Body;
}

/** Asks until there is an answer that is neither trouble nor "slow down": what a client of such a shop does. */
async function ask<Body>(
  method: 'GET' | 'POST',
  path: string,
  { token, body, key }: { token?: string; body?: object; key?: string } = {},
): Promise<Answer<Body>> {
  return until(`${method} ${path} is answered`, async () => {
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
    const isOurs = response.headers['content-type']?.includes('json') ?? false;
    if (!isOurs || response.statusCode >= 500 || [404, 429].includes(response.statusCode))
      throw new Error(`${response.statusCode}: ${text.slice(0, 200)}`);
    return { status: response.statusCode, body: JSON.parse(text) as Body };
  });
}

async function all<Row>(path: string, token: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const page: Answer<{ data: Row[]; nextCursor: string | null }> = await ask(
      'GET',
      `${path}?limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`,
      { token },
    );
    rows.push(...page.body.data);
    cursor = page.body.nextCursor;
  }
  return rows;
}

interface Customer {
  token: string;
  /** What was answered with 202. */
  ordered: Set<string>;
  canceled: Set<string>;
}

const deposit = 1_000_000;

async function newCustomer(): Promise<Customer> {
  const credentials = { email: `${uuidv7()}@example.com`, password: 'correct horse' };
  // an answer that was lost makes the next one a 409
  await ask('POST', '/users', { body: { ...credentials, name: 'Ann' } });
  const { token } = (await ask<{ token: string }>('POST', '/sessions', { body: credentials })).body;
  await ask('POST', '/accounts/me/deposits', { token, key: uuidv7(), body: { amount: deposit, currency: 'usd' } });
  return { token, ordered: new Set(), canceled: new Set() };
}

/** Orders a pen after the other until it is time, and cancels each fourth one: few enough for a mail each. */
async function shopUntil(endAt: number, { token, ordered, canceled }: Customer): Promise<void> {
  const body = { items: [{ sku: 'pen', quantity: 1 }] };
  for (let count = 1; Date.now() < endAt && count <= 20; count += 1) {
    const { status, body: order } = await ask<{ id: string }>('POST', '/orders', { token, key: uuidv7(), body });
    if (status !== 202) throw new Error(`an order was answered ${status}`);
    ordered.add(order.id);
    if (count % 4 === 0) {
      await ask('POST', `/orders/${order.id}/cancel`, { token });
      canceled.add(order.id);
    }
    await pause(250);
  }
}

interface Order {
  id: string;
  status: string;
  total: number;
}
interface Mail {
  orderId: string;
  template: string;
  status: string;
}
interface Entry {
  kind: string;
  orderId: string;
}

const ends = new Set(['paid', 'refunded', 'canceled']);

/** What is not as it has to be; nothing once everything has come to its end. */
async function wrongWith({ token, ordered, canceled }: Customer): Promise<string[]> {
  const [orders, mails, entries, account] = await Promise.all([
    all<Order>('/orders', token),
    all<Mail>('/notifications', token),
    all<Entry>('/accounts/me/entries', token),
    ask<{ balance: number }>('GET', '/accounts/me', { token }),
  ]);
  const there = new Map(orders.map((order) => [order.id, order]));
  const lost = [...ordered].filter((id) => !there.has(id)).map((id) => `${id}: was accepted and is not there`);
  const single = orders.flatMap(({ id, status }) => {
    const its = mails.filter(({ orderId }) => orderId === id);
    const told = its.filter(({ template, status: sent }) => template === `order-${status}` && sent === 'sent').length;
    const count = (kind: string) => entries.filter((entry) => entry.orderId === id && entry.kind === kind).length;
    return [
      ...(ends.has(status) && (status === 'paid') !== canceled.has(id) ? [] : [`${id}: is ${status}`]),
      ...(told === 1 ? [] : [`${id}: its customer was told ${told} times that it is ${status}`]),
      ...(new Set(its.map(({ template }) => template)).size === its.length ? [] : [`${id}: something was told twice`]),
      ...(count('charge') === (status === 'canceled' ? 0 : 1) ? [] : [`${id}: was charged ${count('charge')} times`]),
      ...(count('refund') === (status === 'refunded' ? 1 : 0) ? [] : [`${id}: was refunded ${count('refund')} times`]),
    ];
  });
  const spent = orders.reduce((sum, { status, total }) => sum + (status === 'paid' ? total : 0), 0);
  const { balance } = account.body;
  return [...lost, ...single, ...(balance === deposit - spent ? [] : [`the balance is ${balance}`])];
}

async function round(victim: string): Promise<void> {
  const began = Date.now();
  const [where, selector] = places[victim] ?? ['', ''];
  const customers = await Promise.all(Array.from({ length: 12 }, newCustomer));
  const endAt = Date.now() + 6_000;
  const shopping = customers.map((customer) => shopUntil(endAt, customer));
  // who registers meanwhile wakes the functions that scale to zero, and keeps them busy
  const joining = (async () => {
    const joined: Customer[] = [];
    while (Date.now() < endAt) {
      const customer = await newCustomer();
      joined.push(customer);
      await shopUntil(Date.now() + 200, customer);
    }
    return joined;
  })();
  await pause(1_500);
  const pods = (await kubectl('-n', where, 'get', 'pod', '-l', selector, '-o', 'name')).split('\n').filter(Boolean);
  if (pods.length > 0) await kubectl('-n', where, 'delete', ...pods, '--grace-period=0', '--force', '--wait=false');
  const deleted = Date.now();
  await Promise.all(shopping);
  const everybody = [...customers, ...(await joining)];
  let wrong: string[] = [];
  await until('every order has come to its end', async () => {
    wrong = (await Promise.all(everybody.map(wrongWith))).flat();
    return wrong.length === 0;
  }).catch((error: Error) => {
    throw new Error(`${wrong.slice(0, 20).join('\n')}\n(${wrong.length} in all, ${error.message.slice(0, 100)})`);
  });
  const orders = everybody.reduce((sum, { ordered }) => sum + ordered.size, 0);
  const seconds = (since: number) => ((Date.now() - since) / 1_000).toFixed(1);
  say(
    `${victim.padEnd(18)} ${String(pods.length)} deleted, ${String(orders).padStart(4)} orders: all decided, charged and told once ${seconds(deleted)} s after (${seconds(began)} s)`,
  );
}

const wanted = values.only?.split(',').flatMap((name) => groups[name] ?? [name]) ?? Object.keys(places);
const unknown = wanted.filter((name) => !places[name]);
if (unknown.length > 0) {
  process.stderr.write(`There is no ${unknown.join(', ')}: ${Object.keys({ ...groups, ...places }).join(', ')}\n`);
  process.exit(2);
}
let failed = 0;
let passed = 0;
for (const victim of wanted) {
  const rounds = Number(values.rounds ?? (victim === 'postgres' ? 10 : 1));
  for (let time = 1; time <= rounds; time += 1) {
    try {
      await round(victim);
      passed += 1;
    } catch (error) {
      failed += 1;
      say(`${victim.padEnd(18)} FAILED\n${(error as Error).message}`);
    }
  }
}
say(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
