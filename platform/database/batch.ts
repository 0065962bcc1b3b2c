import { setImmediate as turn } from 'node:timers/promises';
import { isBadData, isConflict, type Database } from '#platform/database/database.ts';
import { LostStatement, onceMoreIfLost } from '#platform/database/lost.ts';

interface Waiting<Item, Result> {
  item: Item;
  resolve: (result: Result) => void;
  reject: (error: unknown) => void;
}

interface Options<Item, Result> {
  /** Two items with the same key never share a batch: the second one sees the effect of the first. */
  key: (item: Item) => string;
  /** Handles many items at once; returns one result per item, in their order. An `Error` fails its item alone. */
  run: (items: Item[]) => Promise<(Result | Error)[]>;
  maxItems?: number;
}

const attempts = 5;

/**
 * Serves calls that arrive while a statement is in flight, or in the same turn of the event loop, together by the next one:
 * one commit for many orders, no delay when idle. One statement at a time, so that two batches never wait for each other's
 * locks.
 */
export function batch<Item, Result>({ key, run, maxItems = 256 }: Options<Item, Result>) {
  let waiting: Waiting<Item, Result>[] = [];
  let running = false;

  async function work(): Promise<void> {
    running = true;
    while (waiting.length > 0) {
      await turn();
      await serve(take());
    }
    running = false;
  }

  function take(): Waiting<Item, Result>[] {
    const keys = new Set<string>();
    const chosen: Waiting<Item, Result>[] = [];
    const rest: Waiting<Item, Result>[] = [];
    for (const call of waiting) {
      const itsKey = key(call.item);
      const fits = chosen.length < maxItems && !keys.has(itsKey);
      (fits ? chosen : rest).push(call);
      keys.add(itsKey); // also of a call that waits: calls with the same key are served in their order
    }
    waiting = rest;
    return chosen;
  }

  async function serve(calls: Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await retried(calls.map((call) => call.item));
      calls.forEach(({ resolve, reject }, index) => {
        const result = results[index] as Result | Error;
        if (result instanceof Error) reject(result);
        else resolve(result);
      });
    } catch (error) {
      if (isBadData(error) && calls.length > 1) {
        // one bad item must not fail the others
        for (const call of calls) await serve([call]);
        return;
      }
      for (const { reject } of calls) reject(error);
      // the next statement would most likely be as silent, and these calls have waited for this one already
      if (error instanceof LostStatement && error.isTimeout) for (const { reject } of waiting.splice(0)) reject(error);
    }
  }

  async function retried(items: Item[]): Promise<(Result | Error)[]> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await run(items);
      } catch (error) {
        if (!isConflict(error) || attempt === attempts) throw error;
      }
    }
  }

  return (item: Item): Promise<Result> =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      if (!running) void work();
    });
}

interface Decision<Item, Row> {
  database: Database;
  items: Item[];
  keyOf: (item: Item) => string;
  rowKeyOf: (row: Row) => string;
  /** Returns a row for each item that it decided now. */
  decide: (database: Database, items: Item[]) => Promise<Row[]>;
  /** Reads the rows of the other items. */
  reread: (database: Database, items: Item[]) => Promise<Row[]>;
}

/**
 * Decides each of many items once; returns the rows by their keys. `reread` has a fresh snapshot, because under READ
 * COMMITTED a statement that waited for another transaction's key does not see the row that it lost to. If the connection is
 * lost, it runs once more: what has been committed by then is read again.
 */
export const decideOnce = <Item, Row>(decision: Decision<Item, Row>): Promise<Map<string, Row>> =>
  onceMoreIfLost(() => decideAndReread(decision));

async function decideAndReread<Item, Row>(decision: Decision<Item, Row>): Promise<Map<string, Row>> {
  const { database, items, keyOf, rowKeyOf, decide, reread } = decision;
  const rows = new Map((await decide(database, items)).map((row) => [rowKeyOf(row), row]));
  const others = items.filter((item) => !rows.has(keyOf(item)));
  if (others.length > 0) for (const row of await reread(database, others)) rows.set(rowKeyOf(row), row);
  return rows;
}
