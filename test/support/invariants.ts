import { readFileSync } from 'node:fs';
import type { Mail } from './mailbox.ts';
import type { Shop } from './shop.ts';
import { recordCheck } from './sizes.ts';
import { timeoutMs, until } from './until.ts';

export interface Violation {
  name: string;
  /** `always`: at any time. `at rest`: when nothing is in flight. */
  holds: 'always' | 'at rest';
  subject: string;
  detail: string;
}

/** The parameters of `invariants.sql`; see there. */
export interface Given {
  accepted: string[];
  canceled: string[];
  broken: string[];
  earlier: unknown;
}

export const invariants = readFileSync(new URL('invariants.sql', import.meta.url), 'utf8');

export const parameters = ({ accepted, canceled, broken, earlier }: Given): unknown[] => [
  accepted,
  broken,
  JSON.stringify(earlier),
  canceled,
];

const lastSeen = new WeakMap<Shop, unknown>();

/** Every current violation. */
export async function violations(shop: Shop): Promise<Violation[]> {
  const { history, sql } = shop;
  // the mails before the rows: a mail that arrives in between must not count as one too many
  const mails = await shop.mails();
  const { accepted, canceled, broken } = history;
  const given = {
    accepted: [...accepted],
    canceled: [...canceled],
    broken: [...broken],
    earlier: lastSeen.get(shop) ?? [],
  };
  const found = await sql<Violation>(invariants, parameters(given));
  const [seen] = await sql<{ orders: unknown }>(
    `select coalesce(jsonb_agg(to_jsonb(o)), '[]') as orders from ordering.orders o`,
  );
  lastSeen.set(shop, seen?.orders);
  return [...found, ...mailViolations(await sentMails(shop), mails, history.kills)];
}

/**
 * Waits until the shop is at rest and every invariant holds. A violation of an invariant that must always hold fails at
 * once.
 */
export async function expectSound(shop: Shop, withinMs = timeoutMs): Promise<void> {
  let found: Violation[] = [];
  try {
    await until(
      'the shop is at rest',
      async () => {
        found = await violations(shop);
        return found.length === 0 || found.some(({ holds }) => holds === 'always');
      },
      withinMs,
    );
  } catch (cause) {
    recordCheck(found);
    throw new Error(`The shop is not at rest after ${withinMs} ms:\n${describe(found, shop)}`, { cause });
  }
  recordCheck(found);
  if (found.length > 0) throw new Error(`Invariants are violated:\n${describe(found, shop)}`);
}

function describe(found: Violation[], shop: Shop): string {
  const lines = found.map(({ name, subject, detail }) => `  ${name}: ${subject} – ${detail}`);
  const more = lines.length > 20 ? [`  … and ${lines.length - 20} more`] : [];
  return [...lines.slice(0, 20), ...more, 'The last output of the shop:', shop.output().slice(-4_000)].join('\n');
}

/** What I10 compares of a notification with its mail. */
export interface SentMail {
  id: string;
  status: 'queued' | 'sent' | 'failed';
  recipient: string;
}

const sentMails = (shop: Shop) => shop.sql<SentMail>('select id, status, recipient from notifying.notifications');

/** I10: one mail for each notification, and one more at most for each kill of the sender or the database. */
export function mailViolations(notifications: SentMail[], mails: Mail[], kills: number): Violation[] {
  const received = Map.groupBy(mails, ({ notificationId }) => notificationId);
  const known = new Set(notifications.map(({ id }) => id));
  const violation = (name: string, holds: Violation['holds'], subject: string, detail: string) => ({
    name: `I10 ${name}`,
    holds,
    subject,
    detail,
  });
  const ofNotifications = notifications.flatMap(({ id, status, recipient }) => {
    const arrived = received.get(id) ?? [];
    if (arrived.some(({ to }) => to !== recipient))
      return violation('a mail goes to its recipient', 'always', id, recipient);
    if (arrived.length > 1 + kills)
      return violation('one mail a notification', 'always', id, `${arrived.length} mails`);
    if (status === 'queued') return violation('every mail is sent', 'at rest', id, recipient);
    if (status === 'sent' && arrived.length === 0)
      return violation('what is marked as sent arrives', 'at rest', id, recipient);
    if (status === 'failed' && arrived.length > 0)
      return violation('what has failed did not arrive', 'always', id, recipient);
    return [];
  });
  const ofMails = mails.flatMap(({ notificationId, subject }) =>
    known.has(notificationId) ? [] : violation('every mail has its notification', 'always', notificationId, subject),
  );
  return [...ofNotifications, ...ofMails];
}
