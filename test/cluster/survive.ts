import { setTimeout as pause } from 'node:timers/promises';
import { newCustomer, type Customer } from './client.ts';
import { readHistory, type History, type Problem } from './history.ts';
import { startLoad, type SentOrder } from './load.ts';
import { readPublications, repeatedPercent } from './publications.ts';
import type { Fault, Row, Since } from './rows.ts';

export interface LoadSettings {
  customers: number;
  /** Orders a second. */
  rate: number;
}

/** One repetition of a row. */
export interface Outcome {
  accepted: number;
  /** How many orders got which first response, other than 202. */
  refused: Map<string, number>;
  /** The longest time in which no order was accepted: from the kill on, or from when the standbys were let in again. */
  outageMs: number;
  /** The longest time until an order was settled and notified. */
  longestMs: number;
  repeatedPercent: number | undefined;
  problems: Problem[];
  /** For the check at the end of the row. */
  sent: SentOrder[];
}

const beforeMs = 3_000;
const afterMs = 8_000;
/** After this time, what has not ended is stuck. */
const stuckAfterMs = 90_000;

/**
 * Causes a fault while customers order, waits until everything they did has ended, and compares it with what the shop
 * promises.
 */
export async function survive(row: Row, time: number, { customers: count, rate }: LoadSettings): Promise<Outcome> {
  await row.prepare?.();
  const customers = await inGroups(Array.from({ length: count }), 5, newCustomer);
  const publishedBefore = await readPublications();
  const load = startLoad(customers, rate);
  await pause(beforeMs);
  const fault = await row.cause(time);
  const overAt = fault?.alone?.to ?? fault?.readyAt ?? fault?.deletedAt ?? Date.now();
  await untilAccepted(load.orders, overAt + afterMs);
  await load.stop();
  const outageMs = longestOutage(load.orders, fault);
  const refused = refusals(load.orders);
  await load.repeatRefused();
  const histories = await untilEnded(customers, load.orders);
  const publishedAfter = await readPublications();
  const since = referenceOf(row.since, load.orders, fault);
  const longestMs = longestOf(load.orders, histories, since);
  return {
    accepted: load.orders.length - [...refused.values()].reduce((sum, times) => sum + times, 0),
    refused,
    outageMs,
    longestMs,
    repeatedPercent: repeatedPercent(publishedBefore, publishedAfter),
    problems: [
      ...histories.flatMap(({ problems }) => problems),
      ...(fault?.alone ? acceptedAlone(load.orders, fault.alone) : []),
      ...clocksApart(load.orders, histories),
      ...(longestMs > row.limitMs
        ? [{ kind: 'late' as const, text: `an order was settled and notified ${longestMs} ms after ${row.since}` }]
        : []),
    ],
    sent: load.orders,
  };
}

/** Waits until an order that was sent at `at` or later is accepted. */
async function untilAccepted(orders: SentOrder[], at: number): Promise<void> {
  const endAt = at + stuckAfterMs;
  while (!orders.some(({ sentAt, acceptedAt }) => sentAt >= at && acceptedAt !== undefined)) {
    if (Date.now() > endAt) throw new Error(`no order was accepted within ${stuckAfterMs / 1_000} s`);
    await pause(100);
  }
}

function refusals(orders: SentOrder[]): Map<string, number> {
  const refused = orders.flatMap(({ response }) => (response === undefined || response === '202' ? [] : [response]));
  return new Map([...Map.groupBy(refused, (response) => response)].map(([response, its]) => [response, its.length]));
}

const acceptances = (orders: SentOrder[]) =>
  orders
    .flatMap(({ response, acceptedAt }) => (response === '202' && acceptedAt !== undefined ? [acceptedAt] : []))
    .toSorted((a, b) => a - b);

/** The gaps between two acceptances after the kill, or after the standbys were let in again. */
function gaps(orders: SentOrder[], { deletedAt, alone }: Fault): { until: number; ms: number }[] {
  const from = alone?.to ?? deletedAt;
  const times = acceptances(orders);
  return times.flatMap((at, index) =>
    at > from ? [{ until: at, ms: at - Math.max(times[index - 1] ?? at, from) }] : [],
  );
}

const longest = (all: { until: number; ms: number }[]) =>
  all.reduce((most, gap) => (gap.ms > most.ms ? gap : most), { until: 0, ms: 0 });

const longestOutage = (orders: SentOrder[], fault: Fault | undefined) => (fault ? longest(gaps(orders, fault)).ms : 0);

/** The time from which the limit of a row counts. The failover has ended with the longest gap. */
function referenceOf(since: Since, orders: SentOrder[], fault: Fault | undefined): number {
  if (!fault || since === 'acceptance') return 0;
  if (since === 'the kill') return fault.deletedAt;
  if (since === 'all ready again') return fault.readyAt ?? fault.deletedAt;
  return longest(gaps(orders, fault)).until;
}

/** Reads the histories until nothing is wrong or in flight, or for as long as it may take. */
async function untilEnded(customers: Customer[], orders: SentOrder[]): Promise<History[]> {
  const endAt = Date.now() + stuckAfterMs;
  const sent = Map.groupBy(orders, ({ customer }) => customer);
  const found = new Map<Customer, History>();
  for (let open = customers; open.length > 0 && Date.now() < endAt;) {
    await inGroups(open, 5, async (customer) => {
      found.set(customer, await readHistory(customer, sent.get(customer) ?? []));
    });
    open = open.filter((customer) => found.get(customer)?.problems.length !== 0);
    if (open.length > 0) await pause(1_000);
  }
  return [...found.values()];
}

/** The longest time until an order was settled and notified: from `since`, or from its acceptance if that was later. */
function longestOf(orders: SentOrder[], histories: History[], since: number): number {
  const endings = new Map(histories.flatMap((history) => [...history.endings]));
  return orders.reduce((most, { id = '', acceptedAt = 0, cancelAcceptedAt = 0 }) => {
    const { settledAt, notifiedAt } = endings.get(id) ?? { settledAt: 0, notifiedAt: 0 };
    return Math.max(most, Math.max(settledAt, notifiedAt) - Math.max(acceptedAt, cancelAcceptedAt, since));
  }, 0);
}

/** What a customer may not see while an order could be on one server only: anything but 503. */
function acceptedAlone(orders: SentOrder[], { from, to }: { from: number; to: number }): Problem[] {
  // the last responses of the standbys may arrive a little later
  const early = orders.filter(({ acceptedAt = 0 }) => acceptedAt > from + 200 && acceptedAt < to);
  const asked = orders.filter(({ sentAt, respondedAt = 0 }) => sentAt > from && respondedAt > 0 && respondedAt < to);
  const others = asked.filter(({ response = '' }) => !['202', '503'].includes(response));
  return [
    ...early.map(({ id }): Problem => ({ kind: 'lost', text: `${id}: was accepted while one server alone had it` })),
    ...others.map(({ key, response }): Problem => ({
      kind: 'other',
      text: `the order ${key} got ${response}, not 503`,
    })),
    ...(asked.length > 0
      ? []
      : [{ kind: 'other' as const, text: 'no order got a response while one server was alone' }]),
  ];
}

/** The times of a row compare this machine's clock with that of the database. */
function clocksApart(orders: SentOrder[], histories: History[]): Problem[] {
  const createdAt = new Map(histories.flatMap((history) => [...history.createdAt]));
  const apart = orders
    .filter(({ response }) => response === '202')
    .map(({ id = '', sentAt, respondedAt = 0 }) => {
      const at = createdAt.get(id) ?? sentAt;
      return Math.max(sentAt - at, at - respondedAt, 0);
    });
  const most = Math.max(0, ...apart);
  return most > 500 ? [{ kind: 'other', text: `the clocks differ by ${most} ms: the times are wrong` }] : [];
}

/** Runs `work` for all of them, `atATime` in parallel. */
export async function inGroups<Item, Result>(
  items: Item[],
  atATime: number,
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const queue = items.entries();
  const one = async () => {
    for (const [index, item] of queue) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: atATime }, one));
  return results;
}
