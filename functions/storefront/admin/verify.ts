import { isTimeout, type Database } from '#platform/database/database.ts';
import { compareAccounts, compareOrders, type Compared, type Difference } from './verify-queries.ts';

/** What was compared, and the violations. */
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

/**
 * Verifies everything that is stored about money and orders, in steps that each end soon however large the shop is,
 * alongside its work. One verification at a time: a call during one gets its result.
 */
export function createVerification(
  database: Database,
  pages: Pages = { accounts: 500, orders: 5_000 },
): () => Promise<Verification> {
  let running: Promise<Verification> | undefined;
  return () => {
    running ??= compareAll(database, pages).finally(() => {
      running = undefined;
    });
    return running;
  };
}

async function compareAll(database: Database, pages: Pages): Promise<Verification> {
  const accounts = await scan((after, limit) => compareAccounts(database, after, limit), pages.accounts);
  const orders = await scan((after, limit) => compareOrders(database, after, limit), pages.orders);
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

async function scan(compare: Compare, batchSize: number): Promise<Omit<Compared, 'last'>> {
  const all = { rows: 0, transfers: 0, differences: [] as Difference[] };
  let limit = batchSize;
  for (let after: string | null = first; after !== null;) {
    try {
      const [page]: Compared[] = await compare(after, limit);
      if (!page) break;
      all.rows += page.rows;
      all.transfers += page.transfers;
      all.differences.push(...page.differences.slice(0, maxDifferences - all.differences.length));
      after = page.rows < limit ? null : page.last;
      limit = Math.min(limit * 2, batchSize);
    } catch (error) {
      // accounts with very many transfers: fewer of them in a statement
      if (!isTimeout(error) || limit === 1) throw error;
      limit = Math.ceil(limit / 10);
    }
  }
  return all;
}
