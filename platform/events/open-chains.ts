import { statement, type Database } from '#platform/database/database.ts';
import { log } from '#platform/telemetry/log.ts';

// A broker without storage responds at the end of a chain: a chain that is still open then has lost an event, and its row
// comes due within a second. A durable broker responds once it has stored the event, long before the chain ends: publishing
// again within a second would multiply the load of a broker that is behind. Knative does not say which one it is, so it is
// observed.

/** The least and the most time that a chain gets after the response of a durable broker, before it is published again. */
const leastMs = 2_000;
const mostMs = 10_000;
// A chain gets three times as long as the slowest of those that ended lately.
const margin = 3;
/** The most and the least chains in flight. */
const mostInFlight = 128;
const leastInFlight = 8;
// A broker whose chains take longer has more of them than it can deliver.
const busyMs = 1_000;
const rateWindowMs = 500;
// younger chains mostly end before the next check, which comes before their rows are due
const deferAfterMs = 300;
// and again if it may be that much earlier
const deferAgainMs = 1_000;
const checkAgainAfterMs = 50;
// That many chains in a row that ended with the response show that the broker is not durable; that many that did not show
// that it is, even if each is published again before it ends.
const closedInARow = 3;
const openInARow = 5;

const stillOpen = statement<{ id: string }>(
  'outbox.still_open',
  'select id from events.outbox where id = any ($1::text[])',
);

const defer = statement<{ id: string }>(
  'outbox.defer',
  `
  update events.outbox o
     set due_at = clock_timestamp() + interval '1 millisecond' * (
           select late.ms
             from unnest($1::text[], $2::float8[]) as late (id, ms)
            where late.id = o.id)
   -- a row that is locked is being deleted
   where id = any (array(select id from events.outbox where id = any ($1::text[]) for update skip locked))`,
);

interface Chain {
  publishedAt: number;
  /** When its row is due, once that was moved. */
  dueAt: number;
  release: () => void;
}

/** The chains of a process that the broker has accepted, and that have not been seen to end. */
export interface OpenChains {
  /** Whether the broker responds before chains end, because it stores their events. */
  isDurable(): boolean;
  /** The broker has accepted the first event of a chain; calls `release` when the chain no longer counts as in flight. */
  accepted(id: string, publishedAt: number, release: () => void): void;
  /**
   * How many chains may be in flight: 128, and behind a durable broker that takes longer than a second for a chain, as many
   * as it ends in a second.
   */
  limit(): number;
  /** The chain is published again. */
  forget(id: string): void;
  /** Finds out which chains have ended, and moves the due times of the others. */
  check(): Promise<void>;
  /** Checks within `checkAgainAfterMs`, because a publisher waits for a slot. */
  checkSoon(): void;
}

/**
 * Follows the accepted chains of a process, by their rows in the outbox. `onCheck` is called after each check; it returns
 * whether a publisher still waits for a slot.
 */
export function createOpenChains(database: Database, onCheck: () => boolean = () => false): OpenChains {
  const open = new Map<string, Chain>();
  let durable = false;
  let closedProbes = 0;
  let openProbes = 0;
  let slowestMs = 0;
  // when the youngest chain that has ended was published
  let endedUpTo = -Infinity;
  // one chain is probed after each check
  let mayProbe = false;
  let checkedAt = -Infinity;
  let checking: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let limit = mostInFlight;
  let ended = { count: 0, slowestMs: 0, since: -Infinity };

  const timeMs = () => Math.min(Math.max(margin * slowestMs, leastMs), mostMs);

  function close(id: string, chain: Chain): void {
    if (open.get(id) === chain) open.delete(id);
    chain.release();
  }

  /** Reads whether a chain has ended with the response of the broker. */
  async function probe(id: string, chain: Chain): Promise<void> {
    const [row] = await database.many(stillOpen, [[id]]);
    if (row) {
      // it ends later, or has lost an event: a check will see
      if (!durable && !open.has(id)) open.set(id, chain);
      closedProbes = 0;
      openProbes += 1;
      durable ||= openProbes >= openInARow;
      return;
    }
    openProbes = 0;
    closedProbes += 1;
    if (closedProbes < closedInARow) return;
    durable = false;
    limit = mostInFlight;
    for (const [each, its] of open) close(each, its);
  }

  /** When the time of a chain is up. If no younger one has ended either, the broker is behind, or has lost everything. */
  const endOf = ({ publishedAt }: Chain) => publishedAt + (publishedAt < endedUpTo ? timeMs() : mostMs);

  /** Adapts the limit to what the broker ends, once per window. */
  function adaptLimit(now: number, oldestMs: number): void {
    const windowMs = now - ended.since;
    if (windowMs < rateWindowMs) return;
    slowestMs = Math.max(ended.slowestMs, slowestMs * 0.7);
    const perSecond = (1_000 * ended.count) / windowMs;
    const isBusy = durable && (slowestMs > busyMs || (ended.count === 0 && oldestMs > busyMs));
    limit = isBusy ? Math.min(limit, Math.max(Math.ceil(perSecond), leastInFlight)) : Math.min(limit * 2, mostInFlight);
    ended = { count: 0, slowestMs: 0, since: now };
  }

  async function readAndDefer(): Promise<void> {
    const now = performance.now();
    checkedAt = now;
    const chains = [...open];
    const rows = await database.many(stillOpen, [chains.map(([id]) => id)]);
    const isOpen = new Set(rows.map(({ id }) => id));
    const late: [string, Chain][] = [];
    let oldestMs = 0;
    for (const [id, chain] of chains) {
      // meanwhile published again
      if (open.get(id) !== chain) continue;
      const ageMs = now - chain.publishedAt;
      if (!isOpen.has(id)) {
        durable = true;
        ended.count += 1;
        ended.slowestMs = Math.max(ended.slowestMs, ageMs);
        slowestMs = Math.max(slowestMs, ageMs);
        endedUpTo = Math.max(endedUpTo, chain.publishedAt);
        close(id, chain);
      } else if (ageMs > mostMs || now > chain.dueAt) {
        close(id, chain); // from now on left to its row
      } else {
        oldestMs = Math.max(oldestMs, ageMs);
        if (durable && ageMs > deferAfterMs && endOf(chain) < chain.dueAt - deferAgainMs) late.push([id, chain]);
      }
    }
    adaptLimit(now, oldestMs);
    if (late.length === 0) return;
    for (const [, chain] of late) chain.dueAt = endOf(chain);
    await database.many(defer, [late.map(([id]) => id), late.map(([, { dueAt }]) => Math.max(dueAt - now, 0))]);
  }

  async function check(): Promise<void> {
    mayProbe = true;
    if (open.size === 0) adaptLimit(performance.now(), 0);
    else await (checking ??= readAndDefer().finally(() => (checking = undefined)));
    if (onCheck()) checkSoon();
  }

  function checkSoon(): void {
    if (!durable || timer) return;
    timer = setTimeout(
      () => {
        timer = undefined;
        inBackground(check(), 'the check of the open chains');
      },
      Math.max(0, checkAgainAfterMs - (performance.now() - checkedAt)),
    );
    timer.unref();
  }

  const inBackground = (work: Promise<void>, what: string) =>
    void work.catch((error: unknown) => log.debug({ err: error }, `${what} failed`));

  return {
    isDurable: () => durable,
    limit: () => limit,
    accepted(id, publishedAt, release) {
      const chain: Chain = { publishedAt, dueAt: Infinity, release: durable ? release : () => undefined };
      if (durable) open.set(id, chain);
      else release();
      if (!mayProbe) return;
      mayProbe = false;
      inBackground(probe(id, chain), 'reading whether a chain has ended');
    },
    forget(id) {
      const chain = open.get(id);
      if (chain) close(id, chain);
    },
    check,
    checkSoon,
  };
}
