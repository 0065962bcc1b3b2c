import { expect, test } from '@jest/globals';
import { currency, formatMoney, money } from '#platform/values/money.ts';

test.each([
  [80_000, 'usd', '800.00 USD'],
  [5, 'eur', '0.05 EUR'],
  [0, 'usd', '0.00 USD'],
  [-1_250, 'usd', '-12.50 USD'],
  [-5, 'usd', '-0.05 USD'],
  [2 ** 53 - 1, 'usd', '90071992547409.91 USD'],
])('formats %d %s as %s', (amount, code, text) => {
  expect(formatMoney(amount, code)).toBe(text);
});

test('accepts whole amounts from 0 to 2^53 - 1 only', () => {
  for (const amount of [0, 1, 2 ** 53 - 1]) expect(money.safeParse(amount).success).toBe(true);
  for (const amount of [-1, 0.5, 2 ** 53, '1', NaN, null]) expect(money.safeParse(amount).success).toBe(false);
});

test('accepts a currency as an ISO 4217 code in lower case only', () => {
  expect(currency.safeParse('usd').success).toBe(true);
  for (const code of ['USD', 'us', 'usdx', ' usd', 'us1', '']) {
    expect(currency.safeParse(code).error?.issues[0]?.message).toBe(
      'must be an ISO 4217 code in lower case, such as usd',
    );
  }
});
