import { afterAll, afterEach, beforeAll, jest } from '@jest/globals';
import { expectSound } from './invariants.ts';
import { startShop, type Shop, type ShopOptions } from './shop.ts';

const { SHOP_MODE = 'one-process' } = process.env;
if (!['one-process', 'processes'].includes(SHOP_MODE)) {
  throw new Error(`SHOP_MODE is "one-process" or "processes", not "${SHOP_MODE}".`);
}

/** Whether each function runs in its own process: `npm run test:system`. In `npm test` one process runs them all. */
export const inProcesses = SHOP_MODE === 'processes';

interface Options extends ShopOptions {
  /** Whether every invariant must hold after each test. */
  checked?: boolean;
}

/** Starts a shop for the tests of this file, in the mode of the run; the function returned gets it. */
export function useShop({ checked = true, ...options }: Options = {}): () => Shop {
  let shop: Shop | undefined;
  const running = () => {
    if (!shop) throw new Error('the shop is not running');
    return shop;
  };
  // longer than the deadlines within the tests, which report what was awaited
  jest.setTimeout(120_000);
  beforeAll(async () => {
    shop = await startShop({ processes: inProcesses, ...options });
  });
  if (checked) afterEach(() => expectSound(running()));
  afterAll(() => shop?.stop());
  return running;
}
