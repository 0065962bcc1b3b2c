import { isTimeout } from '#platform/database/database.ts';
import { compareAccounts, compareOrders, type Compared, type Difference } from './verify-queries.ts';

/** What was compared, and what must not be. */
export interface Verification {
  balanced: boolean;
  accounts: number;
  transfers: number;
  orders: number;
  /** The first hundred. */
  differences: Difference[];
}

const first = '00000000-0000-0000-0000-000000000000';
const maxDifferences = 100;

interface Pages {
  /** Accounts and orders of one statement: few enough to end within a fraction of the statement timeout. */
  accounts: number;
  orders: number;
}

let running: Promise<Verification> | undefined;

/**
 * Compares everything that is stored about money and orders, in steps that each end soon however large the shop is, and
 * beside its work. One verification at a time: whoever asks meanwhile gets the result of the one that runs.
 */
export function verify(pages: Pages = { accounts: 500, orders: 5_000 }): Promise<Verification> {
  running ??= compareAll(pages).finally(() => {
    running = undefined;
  });
  return running;
}

async function compareAll(pages: Pages): Promise<Verification> {
  const accounts = await scan(compareAccounts, pages.accounts);
  const orders = await scan(compareOrders, pages.orders);
  const differences = [...accounts.differences, ...orders.differences].slice(0, maxDifferences);
  return {
    balanced: differences.length === 0,
    accounts: accounts.rows,
    transfers: accounts.transfers,
    orders: orders.rows,
    differences,
  };
}

type Compare = (after: string, limit: number) => Promise<Compared[]>;

async function scan(compare: Compare, most: number): Promise<Omit<Compared, 'last'>> {
  const all = { rows: 0, transfers: 0, differences: [] as Difference[] };
  let limit = most;
  for (let after: string | null = first; after !== null;) {
    try {
      const [page]: Compared[] = await compare(after, limit);
      if (!page) break;
      all.rows += page.rows;
      all.transfers += page.transfers;
      all.differences.push(...page.differences.slice(0, maxDifferences - all.differences.length));
      after = page.rows < limit ? null : page.last;
      limit = Math.min(limit * 2, most);
    } catch (error) {
      // accounts with very many transfers: fewer of them in a statement
      if (!isTimeout(error) || limit === 1) throw error;
      limit = Math.ceil(limit / 10);
    }
  }
  return all;
}
