import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from './database.ts';
import type { Sent } from './load.ts';

/** The times of an order, in epoch ms of the machine's clock. */
export interface Outcome {
  sentAt: number;
  acceptMs: number;
  /** When the notification row was written: just before its commit, so without the last fsync. */
  notifiedAt: number;
  /** When the mail server accepted the mail, according to its row; null until then. */
  mailedAt: number | null;
}

/** Waits until no chain is open: then every order is settled and its notification is committed. */
export async function waitForCompletion(database: Database, timeoutMs = 60_000): Promise<void> {
  for (const deadline = Date.now() + timeoutMs; ; await sleep(25)) {
    const [outbox] = await database.sql<{ open: number }>('select count(*) as open from events.outbox');
    if (outbox?.open === 0) return;
    if (Date.now() > deadline) throw new Error(`${outbox?.open} orders are not settled after ${timeoutMs / 1_000} s.`);
  }
}

/**
 * Waits until no mail is queued. Returns how many are still queued after the timeout, or once none was sent for 2 s:
 * they then wait in the table until they are due.
 */
export async function waitForMails(database: Database, timeoutMs: number): Promise<number> {
  let fewest = Infinity;
  let progressAt = Date.now();
  for (const deadline = Date.now() + timeoutMs; ; await sleep(50)) {
    const [queue] = await database.sql<{ queued: number }>(
      'select count(*) as queued from notifying.notifications where due_at is not null',
    );
    const queued = queue?.queued ?? 0;
    if (queued < fewest) [fewest, progressAt] = [queued, Date.now()];
    if (queued === 0 || Date.now() > deadline || Date.now() > progressAt + 2_000) return queued;
  }
}

/**
 * Removes the remaining mails from the queue, so that the next repetition starts without them. The shop drops the
 * mails that it holds in memory after 25 s; the others would be due a minute after their order.
 */
export async function discardQueuedMails(database: Database): Promise<void> {
  await database.sql(`
    update notifying.notifications
       set status = 'failed', due_at = null, error = 'discarded by the benchmark'
     where due_at is not null`);
}

/** Throws if a load got any response but 202. */
export function assertAllAccepted({ refused }: Sent): void {
  if (Object.keys(refused).length > 0) throw new Error(`Orders were refused: ${JSON.stringify(refused)}`);
}

/** Reads the outcome of each order of a load. Throws if one was refused or lost. */
export async function readOutcomes(database: Database, sent: Sent): Promise<Outcome[]> {
  assertAllAccepted(sent);
  const rows = await database.sql<{ id: string; notified_at: number; mailed_at: number | null }>(
    `
    select order_id as id, extract(epoch from created_at)::float8 * 1000 as notified_at,
           extract(epoch from sent_at)::float8 * 1000 as mailed_at
      from notifying.notifications
     where order_id = any ($1::uuid[])
       and template = 'order-paid'`,
    [sent.accepted.map(({ id }) => id)],
  );
  const byId = new Map(rows.map((row) => [row.id, row]));
  return sent.accepted.map(({ id, at, tookMs }) => {
    const row = byId.get(id);
    if (!row) throw new Error(`Order ${id} was accepted, and its customer was not notified.`);
    return { sentAt: at, acceptMs: tookMs, notifiedAt: row.notified_at, mailedAt: row.mailed_at };
  });
}
