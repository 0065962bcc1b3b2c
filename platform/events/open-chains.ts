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
// younger chains mostly end before the next check, which comes before their rows are due
const deferAfterMs = 300;
const checkAgainAfterMs = 50;
// That many chains in a row that ended with the response show that the broker is not durable; that many that did not show
// that it is, even if each is published again before it ends.
const closedInARow = 3;
const openInARow = 5;

const isOpen = statement<{ id: string }>('outbox.is_open', 'select id from events.outbox where id = $1');

const deferOpen = statement<{ id: string }>(
  'outbox.defer_open',
  `
  with deferred as (
    update events.outbox
       set due_at = clock_timestamp() + $3 * interval '1 millisecond'
     -- a row that is locked is being deleted
     where id = any (array(select id from events.outbox where id = any ($1::text[]) for update skip locked))
    returning id
  )
  select id from deferred
  union all
  select id from events.outbox where id = any ($2::text[])`,
);

interface Chain {
  publishedAt: number;
  /** Its row is due when its time is up. */
  deferred: boolean;
  release: () => void;
}

/** The chains of a process that the broker has accepted, and that have not been seen to end. */
export interface OpenChains {
  /** Whether the broker responds before chains end, because it stores their events. */
  isDurable(): boolean;
  /** The broker has accepted the first event of a chain; calls `release` when the chain no longer counts as in flight. */
  accepted(id: string, publishedAt: number, release: () => void): void;
  /** Whether the broker still has time to end this chain. */
  isInTime(id: string): boolean;
  /** The chain is published again. */
  forget(id: string): void;
  /** Finds out which chains have ended, and moves the due times of the others. */
  check(): Promise<void>;
  /** Checks within `checkAgainAfterMs`, because a publisher waits for a slot. */
  checkSoon(): void;
}

/** Follows the accepted chains of a process, by their rows in the outbox. */
export function createOpenChains(database: Database): OpenChains {
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

  const timeMs = () => Math.min(Math.max(margin * slowestMs, leastMs), mostMs);

  function close(id: string, chain: Chain): void {
    if (open.get(id) === chain) open.delete(id);
    chain.release();
  }

  /** Reads whether a chain has ended with the response of the broker. */
  async function probe(id: string, chain: Chain): Promise<void> {
    const [row] = await database.many(isOpen, [id]);
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
    for (const [each, its] of open) close(each, its);
  }

  async function readAndDefer(): Promise<void> {
    const now = performance.now();
    checkedAt = now;
    const chains = [...open];
    const isLate = ({ deferred, publishedAt }: Chain) => durable && !deferred && now - publishedAt > deferAfterMs;
    const { late = [], others = [] } = Object.groupBy(chains, ([, chain]) => (isLate(chain) ? 'late' : 'others'));
    const rows = await database.many(deferOpen, [late.map(([id]) => id), others.map(([id]) => id), timeMs()]);
    const stillOpen = new Set(rows.map(({ id }) => id));
    let slowest = 0;
    for (const [, chain] of late) chain.deferred = true;
    for (const [id, chain] of chains) {
      // meanwhile published again
      if (open.get(id) !== chain) continue;
      const ageMs = now - chain.publishedAt;
      if (!stillOpen.has(id)) {
        durable = true;
        slowest = Math.max(slowest, ageMs);
        endedUpTo = Math.max(endedUpTo, chain.publishedAt);
        close(id, chain);
      } else if (ageMs > mostMs) close(id, chain); // from now on left to its row
    }
    slowestMs = Math.max(slowest, slowestMs * 0.9);
  }

  async function check(): Promise<void> {
    mayProbe = true;
    if (open.size > 0) await (checking ??= readAndDefer().finally(() => (checking = undefined)));
  }

  const inBackground = (work: Promise<void>, what: string) =>
    void work.catch((error: unknown) => log.debug({ err: error }, `${what} failed`));

  return {
    isDurable: () => durable,
    accepted(id, publishedAt, release) {
      const chain: Chain = { publishedAt, deferred: false, release: durable ? release : () => undefined };
      if (durable) open.set(id, chain);
      else release();
      if (!mayProbe) return;
      mayProbe = false;
      inBackground(probe(id, chain), 'reading whether a chain has ended');
    },
    isInTime(id) {
      const chain = open.get(id);
      if (!chain || !durable) return false;
      // If no younger chain has ended either, the broker is behind, or has lost everything.
      const allowedMs = chain.publishedAt < endedUpTo ? timeMs() : mostMs;
      return performance.now() - chain.publishedAt < allowedMs;
    },
    forget(id) {
      const chain = open.get(id);
      if (chain) close(id, chain);
    },
    check,
    checkSoon() {
      if (!durable || timer) return;
      timer = setTimeout(
        () => {
          timer = undefined;
          inBackground(check(), 'the check of the open chains');
        },
        Math.max(0, checkAgainAfterMs - (performance.now() - checkedAt)),
      );
      timer.unref();
    },
  };
}
