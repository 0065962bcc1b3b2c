import { Counter } from 'prom-client';
import { depositSucceeded } from '#events/deposit-succeeded.ts';
import { orderCancelRequested } from '#events/order-cancel-requested.ts';
import { orderPlaced } from '#events/order-placed.ts';
import { userRegistered } from '#events/user-registered.ts';
import { now as clockTime } from '#platform/database/clock.ts';
import { beginChain, type EventContract, type ShopEvent } from '#platform/events/event.ts';
import { log } from '#platform/telemetry/log.ts';
import { registry } from '#platform/telemetry/metrics.ts';
import { reopenChains } from './queries.ts';
import { rowsPerPage, scanCanceled, tables, type ScannedTable, type Stranded } from './stranded.ts';

const reopened = new Counter({
  name: 'shop_chains_reopened_total',
  help: 'Chains that had not ended and had lost their outbox row, by the type of their first event',
  labelNames: ['function', 'type'] as const,
  registers: [registry],
});

/** The events that begin chains. */
const beginnings: EventContract[] = [orderPlaced, orderCancelRequested, userRegistered, depositSucceeded];
const contracts = new Map(beginnings.map((contract) => [contract.type, contract]));
// an alert needs a sample before the first increment
for (const { type } of beginnings) reopened.inc({ function: 'sweep', type }, 0);

const first = '00000000-0000-0000-0000-000000000000';
const last = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** A table of up to five pages is scanned whole every minute; of a larger one, at least a sixtieth. */
const minPages = 5;
const slices = 60;
const recentMs = 5 * 60_000;

/**
 * Reopens chains that have not ended, are older than a minute and have no outbox row: inserts the row again, due at
 * once. Every call scans the newest rows, and one of sixty slices of all rows, the next one each minute. It scans by
 * primary key, whose UUIDv7 begins with the time, so that no index has to follow the status of an order.
 */
export async function reconcile(now = new Date(clockTime())): Promise<void> {
  await reopen((await scanCanceled()).stranded);
  for (const table of tables) {
    await scan(table, idAt(now.getTime() - recentMs), last);
    await scanSlice(table, now);
  }
}

/** Scans a slice, and then on to the last row and from the first one, until `minPages` are read. */
async function scanSlice(table: ScannedTable, now: Date): Promise<void> {
  const lowest = await table.lowest();
  if (lowest === undefined) return;
  const [from, to] = [timeOf(lowest), now.getTime()];
  const edge = (slice: number) => {
    if (slice === 0) return first;
    // a clock may have been wrong: the last slice includes ids from the future
    return slice === slices ? last : idAt(from + ((to - from) * slice) / slices);
  };
  const slice = now.getUTCMinutes();
  const start = edge(slice);
  let pages = await scan(table, start, edge(slice + 1));
  if (pages < minPages) pages += await scan(table, edge(slice + 1), last, minPages - pages);
  if (pages < minPages) await scan(table, first, start, minPages - pages);
}

/** Scans ids in (`after`, `upTo`], up to `maxPages`; returns how many pages it has read. */
async function scan(table: ScannedTable, after: string, upTo: string, maxPages = Infinity): Promise<number> {
  let pages = 0;
  for (let from: string | null = after; from !== null && pages < maxPages;) {
    const page = await table.scan(from, upTo);
    await reopen(page.stranded);
    from = page.rows < rowsPerPage ? null : page.last;
    pages += 1;
  }
  return pages;
}

async function reopen(stranded: Stranded[]): Promise<void> {
  const events = stranded.map(eventOf);
  const types = new Map(events.map(({ id, type }) => [id, type]));
  for (const { id } of events.length > 0 ? await reopenChains(events) : []) {
    const type = types.get(id) ?? '';
    reopened.inc({ function: 'sweep', type });
    log.error({ event: id, type }, 'a chain that has not ended had no outbox row; it was reopened');
  }
}

function eventOf({ type, data, at }: Stranded): ShopEvent {
  const contract = contracts.get(type);
  if (!contract) throw new Error(`no chain begins with ${type}`);
  return beginChain(contract.create(contract.data.parse(data), new Date(at)));
}

/** The lowest UUIDv7 of a time (RFC 9562, section 5.7). */
function idAt(ms: number): string {
  const time = Math.max(0, Math.floor(ms)).toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-0000-0000-000000000000`;
}

const timeOf = (id: string): number => Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
