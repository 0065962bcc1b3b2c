import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto';

// 128 bits: a cursor stays short, and cannot be guessed
const macBytes = 16;

/** What a sealed text is for, and whose it is: it is of no use anywhere else. */
export interface Scope {
  purpose: string;
  userId: string;
}

/** Signs texts that go to a client and come back. */
export interface Sealer {
  /** `<text>.<signature>` */
  seal(text: string, scope: Scope): string;
  /** The text, if it was sealed for this scope. */
  unseal(sealed: string, scope: Scope): string | undefined;
}

/** Seals with a key in base64url. */
export function createSealer(secret: string): Sealer {
  const key = createSecretKey(secret, 'base64url');
  const macOf = (text: string, { purpose, userId }: Scope): Buffer =>
    createHmac('sha256', key)
      .update(JSON.stringify([purpose, userId, text]))
      .digest()
      .subarray(0, macBytes);
  return {
    seal: (text, scope) => `${text}.${macOf(text, scope).toString('base64url')}`,
    unseal: (sealed, scope) => {
      const dot = sealed.lastIndexOf('.');
      const text = sealed.slice(0, Math.max(dot, 0));
      const given = Buffer.from(sealed.slice(dot + 1), 'base64url');
      const expected = macOf(text, scope);
      return given.length === expected.length && timingSafeEqual(given, expected) ? text : undefined;
    },
  };
}
