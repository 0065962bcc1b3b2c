import { Pool } from 'undici';
import { uuidv7 } from 'uuidv7';
import { signToken } from '#functions/log-in/sign-token.ts';
import { atRate } from './pace.ts';
import { benchmarkResponse } from './worker.ts';

/** What the load generator, a process of its own, is asked to do. */
export type Load =
  /**
   * These customers send the orders. Each of them knocks once, so that their token has been checked. Without tokens a
   * header says who they are, for systems that ask for no more.
   */
  | { do: 'begin'; url: string; customers: string[]; withoutTokens?: boolean }
  /** Closed loop: so many connections, each with one order after the other. */
  | { do: 'saturate'; connections: number; seconds: number }
  /**
   * Open loop: an order is sent when its time has come, whether or not earlier ones were answered. `alone`: all of them
   * by one customer.
   */
  | { do: 'steady'; rate: number; seconds: number; alone?: boolean };

export interface Sent {
  accepted: { id: string; /** When it was to be sent, epoch ms. */ at: number; /** Until the 202. */ tookMs: number }[];
  /** Answers that were no 202, by what they were, with their number. */
  refused: Record<string, number>;
  /** What sending cost this process. */
  cpuMs: number;
}

const order = JSON.stringify({ items: [{ sku: 'pen', quantity: 1 }] });
// the system's clock, as Postgres reads it, but finer than Date.now()
let origin = performance.timeOrigin;
const now = () => origin + performance.now();

let pool: Pool;
let identities: Record<string, string>[] = [];

benchmarkResponse<Load, Sent>(async (load) => {
  const sent: Sent = { accepted: [], refused: {}, cpuMs: 0 };
  origin = originNow();
  const began = process.cpuUsage();
  switch (load.do) {
    case 'begin':
      pool = new Pool(load.url, { connections: 256, pipelining: 1 });
      identities = await Promise.all(load.customers.map(load.withoutTokens ? named : withToken));
      await knock();
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

/** When `performance.now()` was 0. Hypervisors set clocks by milliseconds now and then: it is read before each load. */
function originNow(): number {
  const readings = Array.from({ length: 5 }, () => {
    const from = Date.now();
    let at = from;
    while (at === from) at = Date.now();
    return at - performance.now();
  });
  return Math.max(...readings); // what interrupts a reading makes it smaller
}

const named = async (id: string): Promise<Record<string, string>> => ({ 'customer-id': id });
const withToken = async (id: string): Promise<Record<string, string>> => ({
  authorization: `Bearer ${await signToken({ id, role: 'customer' })}`,
});

async function saturate({ connections, seconds }: { connections: number; seconds: number }, sent: Sent): Promise<void> {
  const until = now() + seconds * 1_000;
  const customer = async () => {
    while (now() < until) await place(now(), sent);
  };
  await Promise.all(Array.from({ length: connections }, customer));
}

async function steady(
  { rate, seconds, alone = false }: { rate: number; seconds: number; alone?: boolean },
  sent: Sent,
): Promise<void> {
  const among = alone ? identities.slice(0, 1) : identities;
  await atRate(rate, seconds, (at) => place(origin + at, sent, among));
}

/** Sends an order of a customer, any of them; its latency counts from `at`. */
async function place(at: number, { accepted, refused }: Sent, among = identities): Promise<void> {
  try {
    const { status, text } = await post(among[Math.floor(Math.random() * among.length)] ?? {}, order);
    if (status === 202) accepted.push({ id: (JSON.parse(text) as { id: string }).id, at, tookMs: now() - at });
    else count(refused, `${status} ${text.slice(0, 200)}`);
  } catch (error) {
    count(refused, String(error));
  }
}

/** An order of nothing: refused after the token was checked, by the storefront and by create-order. */
async function knock(): Promise<void> {
  const waiting = [...identities];
  const visitor = async () => {
    for (let identity = waiting.pop(); identity !== undefined; identity = waiting.pop()) {
      const { status, text } = await post(identity, '{"items":[]}');
      if (status !== 422) throw new Error(`an order of nothing was answered by ${status} ${text}`);
    }
  };
  await Promise.all(Array.from({ length: 32 }, visitor));
}

async function post(identity: Record<string, string>, body: string): Promise<{ status: number; text: string }> {
  const answer = await pool.request({
    method: 'POST',
    path: '/v1/orders',
    headers: { 'content-type': 'application/json', 'idempotency-key': uuidv7(), ...identity },
    body,
  });
  return { status: answer.statusCode, text: await answer.body.text() };
}

function count(refused: Record<string, number>, what: string): void {
  refused[what] = (refused[what] ?? 0) + 1;
}
