import { z } from 'zod';

/** An amount in minor units (cents): a whole number, at most 2^53 - 1, so that JSON carries it exactly. */
export const money = z.int().nonnegative();

/** An ISO 4217 code in lower case. */
export const currency = z.string().regex(/^[a-z]{3}$/, 'must be an ISO 4217 code in lower case, such as usd');

/** For display: `80000, 'usd'` → `800.00 USD`. Minor units of two digits, as all currencies of this shop have. */
export function formatMoney(amount: number, code: string): string {
  const minor = String(Math.abs(amount)).padStart(3, '0');
  const sign = amount < 0 ? '-' : '';
  return `${sign}${minor.slice(0, -2)}.${minor.slice(-2)} ${code.toUpperCase()}`;
}
