import { createHash } from 'node:crypto';
import { accountOpened } from '#events/account-opened.ts';
import { depositSucceeded } from '#events/deposit-succeeded.ts';
import { userRegistered } from '#events/user-registered.ts';
import type { Database } from '#platform/database/database.ts';
import { eventIdOf } from '#platform/events/event.ts';
import { findRecent, type AccountOpening, type Deposit, type Recent } from '../orders/histories.ts';
import { eventEntry, notificationEntries, timeline, type TimelineEntry } from '../orders/timeline.ts';

/** A timeline entry of a customer, with a key of 8 characters: the same whenever it is read. */
export interface OwnEntry {
  key: string;
  userId: string;
  entry: TimelineEntry;
}

/** The entries of customers, and the customers with more than is read. */
interface Found {
  of: Map<string, OwnEntry[]>;
  cut: Set<string>;
}

/** What happened to each of these customers since then, in order, as the timelines show it. */
export async function findEntries(database: Database, recent: Recent): Promise<Found> {
  const { histories, notifications, accounts, deposits, cut } = await findRecent(database, recent);
  const entries = [
    ...histories.flatMap((history) => timeline(history).map((entry) => owned(history.order, entry))),
    ...notifications.flatMap((each) => notificationEntries(each).map((entry) => owned(each, entry))),
    ...accounts.map((account) => owned(account, opening(account))),
    ...deposits.map((deposit) => owned(deposit, depositing(deposit))),
  ];
  const since = entries.filter(({ entry }) => entry.at >= recent.since).toSorted(byTime);
  return { of: Map.groupBy(since, ({ userId }) => userId), cut };
}

const byTime = (a: OwnEntry, b: OwnEntry) => a.entry.at.getTime() - b.entry.at.getTime();

function owned({ userId }: { userId: string }, entry: TimelineEntry): OwnEntry {
  const key = createHash('sha256').update(`${entry.type} ${entry.id}`).digest('base64url').slice(0, 8);
  return { key, userId, entry };
}

const opening = ({ id, userId, openedAt }: AccountOpening): TimelineEntry =>
  eventEntry(accountOpened, {
    at: openedAt,
    objectId: id,
    correlationId: eventIdOf(userRegistered, userId),
    detail: {},
  });

const depositing = ({ id, amount, currency, createdAt }: Deposit): TimelineEntry =>
  eventEntry(depositSucceeded, {
    at: createdAt,
    objectId: id,
    correlationId: eventIdOf(depositSucceeded, id),
    detail: { amount, currency },
  });
