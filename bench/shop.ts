import { setTimeout as sleep } from 'node:timers/promises';
import { uuidv7 } from 'uuidv7';
import { migrate } from '#database/migrate.ts';
import { signToken } from '#test/support/context.ts';
import { descendants, inspect } from '#test/support/processes.ts';
import { startShop, type Shop } from '#test/support/shop.ts';
import { openDatabase } from './database.ts';
import type { Mode } from './options.ts';

export type { Shop } from '#test/support/shop.ts';

/** Times from the start of the process, in ms. */
export interface Start {
  healthyMs: number;
  firstOrderMs: number;
}

export interface Starts {
  /** On an empty data folder: the database is created. */
  first: Start;
  /** On the same data, after a clean shutdown. */
  later: Start;
}

type OnStop = (stop: () => Promise<void>) => void;

/** Starts a shop with several processes of each function. */
export async function startReplicas(replicas: number, onStop: OnStop): Promise<Shop> {
  const starting = startShop({ processes: true, replicas, mailCatcher: true });
  onStop(async () => (await starting.catch(() => undefined))?.stop());
  return starting;
}

/** Starts a shop on an empty folder, restarts it and leaves it running. `customer` places an order after each start. */
export async function startTwice(
  mode: Mode,
  customer: string,
  onStop: OnStop,
): Promise<{ shop: Shop; starts: Starts }> {
  const began = performance.now();
  const starting = startShop({ processes: mode === 'processes', mailCatcher: true });
  onStop(async () => (await starting.catch(() => undefined))?.stop());
  const shop = await starting;
  const first = await startOf(shop, customer, began);
  await shutDown(shop);
  const beganAgain = performance.now();
  await shop.restart();
  return { shop, starts: { first, later: await startOf(shop, customer, beganAgain) } };
}

async function startOf(shop: Shop, customer: string, began: number): Promise<Start> {
  const healthyMs = performance.now() - began;
  // the customer has no account yet: the order is accepted anyway, and charged once there is one
  const response = await fetch(`${shop.url}/v1/orders`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${await signToken({ id: customer, role: 'customer' })}`,
      'idempotency-key': uuidv7(),
    },
    body: JSON.stringify({ items: [{ sku: 'pen', quantity: 1 }] }),
    signal: AbortSignal.timeout(10_000),
  });
  if (response.status !== 202) throw new Error(`The first order returned ${response.status} ${await response.text()}`);
  return { healthyMs, firstOrderMs: performance.now() - began };
}

/** Restarts the shop and waits until its functions have released the memory of their start. */
export async function startAtRest(shop: Shop): Promise<void> {
  await shutDown(shop);
  await shop.restart();
  await sleep(5_000);
}

/** Stops it with SIGTERM and leaves its data. */
async function shutDown({ pid }: Shop): Promise<void> {
  const all = [pid, ...descendants(pid).map((one) => one.pid)];
  process.kill(pid, 'SIGTERM');
  for (const deadline = Date.now() + 30_000; all.some((one) => inspect(one)); await sleep(20)) {
    if (Date.now() > deadline) throw new Error('The shop did not stop within 30 s.');
  }
}

/** Creates a second database on the shop's server, with the same schema, for the baseline. */
export async function createBaselineDatabase(shop: Shop): Promise<ReturnType<typeof openDatabase>> {
  await shop.sql('create database baseline template template0');
  const url = new URL(shop.databaseUrl);
  url.pathname = '/baseline';
  await migrate(url.href);
  return openDatabase(url.href);
}
