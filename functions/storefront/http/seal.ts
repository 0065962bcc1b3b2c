import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto';
import { storefrontSettings } from '#functions/storefront/settings.ts';

const key = createSecretKey(storefrontSettings.CURSOR_KEY, 'base64url');
// 128 bits: a cursor stays short, and cannot be guessed
const macBytes = 16;

/** What a sealed text is for, and whose it is: it is of no use anywhere else. */
export interface Scope {
  purpose: string;
  userId: string;
}

/** Signs a text that goes to a client and comes back: `<text>.<signature>`. */
export const seal = (text: string, scope: Scope): string => `${text}.${macOf(text, scope).toString('base64url')}`;

/** The text, if it was sealed for this scope. */
export function unseal(sealed: string, scope: Scope): string | undefined {
  const dot = sealed.lastIndexOf('.');
  const text = sealed.slice(0, Math.max(dot, 0));
  const given = Buffer.from(sealed.slice(dot + 1), 'base64url');
  const expected = macOf(text, scope);
  return given.length === expected.length && timingSafeEqual(given, expected) ? text : undefined;
}

const macOf = (text: string, { purpose, userId }: Scope): Buffer =>
  createHmac('sha256', key)
    .update(JSON.stringify([purpose, userId, text]))
    .digest()
    .subarray(0, macBytes);
