import { Pool } from 'undici';
import { uuidv7 } from 'uuidv7';
import { signToken } from '#test/support/context.ts';
import { atRate } from './pace.ts';
import { serveRequests } from './worker.ts';

/** A request to the load generator, which is a separate process. */
export type Load =
  /**
   * Sets the customers that send the orders. Each first sends one invalid order, so that its token has been verified.
   * Without tokens a header names the customer, for systems without authentication.
   */
  | { do: 'begin'; url: string; customers: string[]; withoutTokens?: boolean }
  /** Closed loop: each connection sends one order after the other. */
  | { do: 'saturate'; connections: number; seconds: number }
  /**
   * Open loop: orders are sent at a fixed rate, whether or not earlier ones have a response. `alone`: all by one
   * customer.
   */
  | { do: 'steady'; rate: number; seconds: number; alone?: boolean };

export interface Sent {
  accepted: { id: string; /** Intended time, epoch ms. */ at: number; /** Until the 202. */ tookMs: number }[];
  /** Number of responses other than 202, by status and body. */
  refused: Record<string, number>;
  /** CPU time of this process. */
  cpuMs: number;
}

const order = JSON.stringify({ items: [{ sku: 'pen', quantity: 1 }] });
// the system clock, as Postgres reads it, with the resolution of performance.now()
let origin = performance.timeOrigin;
const now = () => origin + performance.now();

let pool: Pool;
let identities: Record<string, string>[] = [];

serveRequests<Load, Sent>(async (load) => {
  const sent: Sent = { accepted: [], refused: {}, cpuMs: 0 };
  origin = originNow();
  const began = process.cpuUsage();
  switch (load.do) {
    case 'begin':
      pool = new Pool(load.url, { connections: 256, pipelining: 1 });
      identities = await Promise.all(load.customers.map(load.withoutTokens ? byHeader : byToken));
      await verifyTokens();
      break;
    case 'saturate':
      await saturate(load, sent);
      break;
    case 'steady':
      await steady(load, sent);
      break;
    default:
      load satisfies never;
  }
  const { user, system } = process.cpuUsage(began);
  sent.cpuMs = (user + system) / 1_000;
  return sent;
});

/**
 * The epoch time at which `performance.now()` was 0. Read before each load: hypervisors adjust clocks by milliseconds.
 */
function originNow(): number {
  const readings = Array.from({ length: 5 }, () => {
    const from = Date.now();
    let at = from;
    while (at === from) at = Date.now();
    return at - performance.now();
  });
  return Math.max(...readings); // an interruption makes a reading smaller
}

const byHeader = async (id: string): Promise<Record<string, string>> => ({ 'customer-id': id });
const byToken = async (id: string): Promise<Record<string, string>> => ({
  authorization: `Bearer ${await signToken({ id, role: 'customer' })}`,
});

async function saturate({ connections, seconds }: { connections: number; seconds: number }, sent: Sent): Promise<void> {
  const until = now() + seconds * 1_000;
  const connection = async () => {
    while (now() < until) await place(now(), sent);
  };
  await Promise.all(Array.from({ length: connections }, connection));
}

async function steady(
  { rate, seconds, alone = false }: { rate: number; seconds: number; alone?: boolean },
  sent: Sent,
): Promise<void> {
  const senders = alone ? identities.slice(0, 1) : identities;
  await atRate(rate, seconds, (at) => place(origin + at, sent, senders));
}

/** Sends an order of a random customer; its latency counts from `at`. */
async function place(at: number, { accepted, refused }: Sent, senders = identities): Promise<void> {
  try {
    const { status, text } = await post(senders[Math.floor(Math.random() * senders.length)] ?? {}, order);
    if (status === 202) accepted.push({ id: (JSON.parse(text) as { id: string }).id, at, tookMs: now() - at });
    else count(refused, `${status} ${text.slice(0, 200)}`);
  } catch (error) {
    count(refused, String(error));
  }
}

/** Sends one invalid order per customer: it is refused after the storefront and create-order have verified the token. */
async function verifyTokens(): Promise<void> {
  const remaining = identities.values();
  const connection = async () => {
    for (const identity of remaining) {
      const { status, text } = await post(identity, '{"items":[]}');
      if (status !== 422) throw new Error(`an order without items returned ${status} ${text}`);
    }
  };
  await Promise.all(Array.from({ length: 32 }, connection));
}

async function post(identity: Record<string, string>, body: string): Promise<{ status: number; text: string }> {
  const response = await pool.request({
    method: 'POST',
    path: '/v1/orders',
    headers: { 'content-type': 'application/json', 'idempotency-key': uuidv7(), ...identity },
    body,
  });
  return { status: response.statusCode, text: await response.body.text() };
}

function count(refused: Record<string, number>, what: string): void {
  refused[what] = (refused[what] ?? 0) + 1;
}
