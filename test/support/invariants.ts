import { readFileSync } from 'node:fs';
import type { Mail } from './mailbox.ts';
import type { Shop } from './shop.ts';
import { looked } from './sizes.ts';
import { timeoutMs, until } from './until.ts';

export interface Violation {
  name: string;
  /** `always`: in every moment. `at rest`: once nothing is under way any more. */
  holds: 'always' | 'at rest';
  subject: string;
  detail: string;
}

/** What `invariants.sql` needs to know; see there. */
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

/** Every violation at this moment. */
export async function violations(shop: Shop): Promise<Violation[]> {
  const { story, sql } = shop;
  // first the mails, then the rows: a mail that arrives in between is not taken for one too many
  const mails = await shop.mails();
  const { accepted, canceled, broken } = story;
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
  return [...found, ...mailViolations(await sentMails(shop), mails, story.kills)];
}

/**
 * Waits until the shop is at rest and every invariant holds. What must hold in every moment is looked at all the
 * time, and fails at once.
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
    looked(found);
    throw new Error(`The shop has not come to rest within ${withinMs} ms:\n${describe(found, shop)}`, { cause });
  }
  looked(found);
  if (found.length > 0) throw new Error(`Invariants are violated:\n${describe(found, shop)}`);
}

function describe(found: Violation[], shop: Shop): string {
  const lines = found.map(({ name, subject, detail }) => `  ${name}: ${subject} – ${detail}`);
  const more = lines.length > 20 ? [`  … and ${lines.length - 20} more`] : [];
  return [...lines.slice(0, 20), ...more, 'The shop said last:', shop.output().slice(-4_000)].join('\n');
}

/** A notification, as far as its mail is concerned. */
export interface SentMail {
  id: string;
  status: 'queued' | 'sent' | 'failed';
  recipient: string;
}

const sentMails = (shop: Shop) => shop.sql<SentMail>('select id, status, recipient from notifying.notifications');

/** I10: a mail for each notification, once; again only as often as its sender or the database was killed. */
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
    const its = received.get(id) ?? [];
    if (its.some(({ to }) => to !== recipient))
      return violation('a mail goes to its recipient', 'always', id, recipient);
    if (its.length > 1 + kills) return violation('one mail a notification', 'always', id, `${its.length} mails`);
    if (status === 'queued') return violation('every mail is sent', 'at rest', id, recipient);
    if (status === 'sent' && its.length === 0)
      return violation('what is marked as sent arrives', 'at rest', id, recipient);
    if (status === 'failed' && its.length > 0)
      return violation('what has failed did not arrive', 'always', id, recipient);
    return [];
  });
  const ofMails = mails.flatMap(({ notificationId, subject }) =>
    known.has(notificationId) ? [] : violation('every mail has its notification', 'always', notificationId, subject),
  );
  return [...ofNotifications, ...ofMails];
}
