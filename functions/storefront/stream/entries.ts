import { createHash } from 'node:crypto';
import { findRecent, type AccountOpening, type Deposit } from '#functions/storefront/orders/histories.ts';
import { telling, timeline, type TimelineEntry } from '#functions/storefront/orders/timeline.ts';

/** A moment of a customer's, with a key of 8 characters: the same whenever it is read. */
export interface OwnEntry {
  key: string;
  userId: string;
  moment: TimelineEntry;
}

/** What has happened to customers, and those of whom too much has happened to read all of it. */
interface Facts {
  of: Map<string, OwnEntry[]>;
  cut: Set<string>;
}

/**
 * What has happened to each of these customers since then, in order, as the timelines show it; of each kind at most
 * `maxRows` a customer are read.
 */
export async function findEntries(userIds: string[], since: Date, maxRows: number): Promise<Facts> {
  const { stories, notifications, accounts, deposits, cut } = await findRecent(userIds, since, maxRows);
  const facts = [
    ...stories.flatMap((story) => timeline(story).map((moment) => owned(story.order, moment))),
    ...notifications.flatMap((notification) => telling(notification).map((moment) => owned(notification, moment))),
    ...accounts.map((account) => owned(account, opening(account))),
    ...deposits.map((deposit) => owned(deposit, depositing(deposit))),
  ];
  const recent = facts.filter(({ moment }) => moment.at >= since).toSorted(byTime);
  return { of: Map.groupBy(recent, ({ userId }) => userId), cut };
}

const byTime = (a: OwnEntry, b: OwnEntry) => a.moment.at.getTime() - b.moment.at.getTime();

function owned({ userId }: { userId: string }, moment: TimelineEntry): OwnEntry {
  const key = createHash('sha256').update(`${moment.type} ${moment.id}`).digest('base64url').slice(0, 8);
  return { key, userId, moment };
}

const opening = ({ id, userId, openedAt }: AccountOpening): TimelineEntry => ({
  at: openedAt,
  type: 'shop.account.opened.v1',
  function: 'create-account',
  id: `${id}.opened`,
  correlationId: `${userId}.registered`,
  detail: {},
});

const depositing = ({ id, amount, currency, createdAt }: Deposit): TimelineEntry => ({
  at: createdAt,
  type: 'shop.deposit.succeeded.v1',
  function: 'deposit-money',
  id: `${id}.succeeded`,
  correlationId: `${id}.succeeded`,
  detail: { amount, currency },
});
