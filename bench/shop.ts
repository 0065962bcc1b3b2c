import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { uuidv7 } from 'uuidv7';
import { migrate } from '#database/migrate.ts';
import { signToken } from '#functions/log-in/sign-token.ts';
import { descendants, inspect } from '#test/support/processes.ts';
import { startShop, type Shop } from '#test/support/shop.ts';
import type { Mode } from './options.ts';

export type { Shop } from '#test/support/shop.ts';

/** Where rows are asked for. */
export interface Database {
  sql<Row extends object>(text: string, values?: unknown[]): Promise<Row[]>;
}

/** From the start of its process, in ms. */
export interface Start {
  healthyMs: number;
  firstOrderMs: number;
}

export interface Starts {
  /** With an empty data folder: the database is made. */
  first: Start;
  /** On the same data, after a clean end. */
  later: Start;
}

/** Starts a shop of so many processes of each function. */
export async function startReplicas(replicas: number, onStop: (stop: () => Promise<void>) => void): Promise<Shop> {
  const starting = startShop({ processes: true, replicas, mailCatcher: true });
  onStop(async () => (await starting.catch(() => undefined))?.stop());
  return starting;
}

/** Starts a shop on an empty folder, ends it, starts it again and leaves it running. `customer` orders each time. */
export async function startTwice(
  mode: Mode,
  customer: string,
  onStop: (stop: () => Promise<void>) => void,
): Promise<{ shop: Shop; starts: Starts }> {
  const began = performance.now();
  const starting = startShop({ processes: mode === 'processes', mailCatcher: true });
  onStop(async () => (await starting.catch(() => undefined))?.stop());
  const shop = await starting;
  const first = await startOf(shop, customer, began);
  await end(shop);
  const beganAgain = performance.now();
  await shop.restart();
  return { shop, starts: { first, later: await startOf(shop, customer, beganAgain) } };
}

async function startOf(shop: Shop, customer: string, began: number): Promise<Start> {
  const healthyMs = performance.now() - began;
  // a customer without an account as yet: their order is accepted, and charged once the account is there
  const answer = await fetch(`${shop.url}/v1/orders`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${await signToken({ id: customer, role: 'customer' })}`,
      'idempotency-key': uuidv7(),
    },
    body: JSON.stringify({ items: [{ sku: 'pen', quantity: 1 }] }),
    signal: AbortSignal.timeout(10_000),
  });
  if (answer.status !== 202) throw new Error(`The first order was answered by ${answer.status} ${await answer.text()}`);
  return { healthyMs, firstOrderMs: performance.now() - began };
}

/** Ends it as Ctrl-C does, starts it again, and lets it rest until its functions have given back what a start needs. */
export async function startAtRest(shop: Shop): Promise<void> {
  await end(shop);
  await shop.restart();
  await sleep(5_000);
}

/** Ends it as Ctrl-C does, and leaves its data. */
async function end({ pid }: Shop): Promise<void> {
  const all = [pid, ...descendants(pid).map((one) => one.pid)];
  process.kill(pid, 'SIGTERM');
  for (const deadline = Date.now() + 30_000; all.some((one) => inspect(one)); await sleep(20)) {
    if (Date.now() > deadline) throw new Error('The shop did not end within 30 s.');
  }
}

/** A database beside the shop's, on the same server and with the same schema, for the baseline. */
export async function databaseAlongside(shop: Shop): Promise<Database & { url: string; close(): Promise<void> }> {
  await shop.sql('create database baseline template template0');
  const url = new URL(shop.databaseUrl);
  url.pathname = '/baseline';
  await migrate(url.href);
  const pool = new pg.Pool({ connectionString: url.href, max: 1 });
  pool.on('error', () => undefined);
  return {
    url: url.href,
    sql: async <Row extends object>(text: string, values: unknown[] = []) => (await pool.query<Row>(text, values)).rows,
    close: () => pool.end(),
  };
}
