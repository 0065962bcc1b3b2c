import { afterAll, afterEach, beforeAll, describe, jest } from '@jest/globals';
import { cancelTests } from './cancels.ts';
import { deadLetterTests } from './dead-letters.ts';
import { eventTests } from './events.ts';
import { orderTests } from './orders.ts';
import { outageTests } from './outages.ts';
import { requestTests } from './requests.ts';
import { streamTests } from './streams.ts';
import { expectSound } from '#test/support/invariants.ts';
import { startShop, type Shop } from '#test/support/shop.ts';

// The whole shop as a customer meets it, in both ways to run it: what a function proves alone, is proved here of all.

jest.setTimeout(120_000);

describe.each([
  { mode: 'all functions in one process', processes: false },
  { mode: 'each function a process of its own', processes: true },
])('$mode', ({ processes }) => {
  let shop: Shop;
  beforeAll(async () => {
    shop = await startShop({ processes });
  });
  afterEach(() => expectSound(shop));
  afterAll(() => shop?.stop());

  const theShop = () => shop;
  describe('orders', () => orderTests(theShop));
  describe('cancels', () => cancelTests(theShop));
  describe('events', () => eventTests(theShop));
  describe('dead letters', () => deadLetterTests(theShop));
  describe('streams', () => streamTests(theShop, { processes }));
  describe('requests', () => requestTests(theShop));
  describe('outages', () => outageTests(theShop, { processes }));
});
