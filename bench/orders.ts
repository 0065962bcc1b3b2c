import { setTimeout as sleep } from 'node:timers/promises';
import type { Sent } from './load.ts';
import type { Database } from './shop.ts';

/** How the orders of one load went, in epoch ms of the machine's clock. */
export interface Told {
  sentAt: number;
  acceptMs: number;
  /** When the notification row was written: just before its commit, so without one last fsync. */
  notifiedAt: number;
  /** When the row says that the mail server has taken the mail; null while it has not. */
  mailedAt: number | null;
}

/** Waits until no chain is open; every order then is decided and its notification committed. */
export async function completed(database: Database, withinMs = 60_000): Promise<void> {
  for (const deadline = Date.now() + withinMs; ; await sleep(25)) {
    const [outbox] = await database.sql<{ open: number }>('select count(*) as open from events.outbox');
    if (outbox?.open === 0) return;
    if (Date.now() > deadline) throw new Error(`${outbox?.open} orders have not ended after ${withinMs / 1_000} s.`);
  }
}

/**
 * Waits until no mail is queued; gives how many still are when the time is over, or when none was sent for so long that
 * the rest waits in the table until it is due.
 */
export async function mailed(database: Database, withinMs: number): Promise<number> {
  let least = Infinity;
  let movedAt = Date.now();
  for (const deadline = Date.now() + withinMs; ; await sleep(50)) {
    const [queue] = await database.sql<{ queued: number }>(
      'select count(*) as queued from notifying.notifications where due_at is not null',
    );
    const queued = queue?.queued ?? 0;
    if (queued < least) [least, movedAt] = [queued, Date.now()];
    if (queued === 0 || Date.now() > deadline || Date.now() > movedAt + 2_000) return queued;
  }
}

/**
 * Takes the mails that are left out of the queue, so that the next repetition starts without them. What the shop still
 * holds in memory it lets go after 25 s; the rest would come due a minute after its order.
 */
export async function giveUpMails(database: Database): Promise<void> {
  await database.sql(`
    update notifying.notifications
       set status = 'failed', due_at = null, error = 'the benchmark did not wait any longer'
     where due_at is not null`);
}

/** What the database says of the orders that a load has sent. Throws if one of them was refused or has got lost. */
export async function findOutcomes(database: Database, { accepted, refused }: Sent): Promise<Told[]> {
  if (Object.keys(refused).length > 0) throw new Error(`Orders were refused: ${JSON.stringify(refused)}`);
  const rows = await database.sql<{ id: string; told_at: number; mailed_at: number | null }>(
    `
    select order_id as id, extract(epoch from created_at)::float8 * 1000 as told_at,
           extract(epoch from sent_at)::float8 * 1000 as mailed_at
      from notifying.notifications
     where order_id = any ($1::uuid[])
       and template = 'order-paid'`,
    [accepted.map(({ id }) => id)],
  );
  const byId = new Map(rows.map((row) => [row.id, row]));
  return accepted.map(({ id, at, tookMs }) => {
    const row = byId.get(id);
    if (!row) throw new Error(`Order ${id} was accepted, and nobody was told that it is paid.`);
    return { sentAt: at, acceptMs: tookMs, notifiedAt: row.told_at, mailedAt: row.mailed_at };
  });
}
