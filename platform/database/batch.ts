import { setImmediate as turn } from 'node:timers/promises';
import { isBadData, isConflict } from '#platform/database/database.ts';

interface Waiting<Item, Result> {
  item: Item;
  resolve: (result: Result) => void;
  reject: (error: unknown) => void;
}

interface Options<Item, Result> {
  /** Two items with the same key never share a batch: each sees what the other did. */
  key: (item: Item) => string;
  /** Handles many items at once; gives one result an item, in their order. An `Error` fails its item alone. */
  run: (items: Item[]) => Promise<(Result | Error)[]>;
  maxItems?: number;
}

const attempts = 5;

/**
 * Serves calls that arrive while a statement is in flight, or in the same turn of the event loop, together by the next
 * one: one commit for many orders, nothing added when idle. One statement at a time, so that two batches never wait for
 * each other's locks.
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
    const left: Waiting<Item, Result>[] = [];
    for (const call of waiting) {
      const itsKey = key(call.item);
      const fits = chosen.length < maxItems && !keys.has(itsKey);
      (fits ? chosen : left).push(call);
      keys.add(itsKey); // also when it is left: calls with one key are served in their order
    }
    waiting = left;
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
        // one bad item must not take its neighbours down with it
        for (const call of calls) await serve([call]);
      } else for (const { reject } of calls) reject(error);
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

/**
 * Decides many items once each. `decide` gives a row for each item that it decided now; `reread` reads the rows
 * of the others with a fresh snapshot, because under READ COMMITTED a statement that waited for another
 * transaction's key does not see the row that it lost to.
 */
export async function decideOnce<Item, Row>(
  items: Item[],
  keyOf: (item: Item) => string,
  rowKeyOf: (row: Row) => string,
  decide: (items: Item[]) => Promise<Row[]>,
  reread: (items: Item[]) => Promise<Row[]>,
): Promise<Map<string, Row>> {
  const rows = new Map((await decide(items)).map((row) => [rowKeyOf(row), row]));
  const others = items.filter((item) => !rows.has(keyOf(item)));
  if (others.length > 0) for (const row of await reread(others)) rows.set(rowKeyOf(row), row);
  return rows;
}
