import { expect, test } from '@jest/globals';
import { createSealer } from './seal.ts';

const { seal, unseal } = createSealer(Buffer.alloc(32, 1).toString('base64url'));
const scope = { purpose: 'orders', userId: 'ann' };

// promise: list-cost
test('unseals a text only for the caller and the purpose that it was sealed for', () => {
  const sealed = seal('a.b', scope);
  expect(unseal(sealed, scope)).toBe('a.b');
  expect(unseal(sealed, { ...scope, userId: 'bob' })).toBeUndefined();
  expect(unseal(sealed, { ...scope, purpose: 'notifications' })).toBeUndefined();
});

test.each(['', '.', 'a.b', 'a.b.', seal('a.b', scope).slice(0, -1), seal('a.b', scope).replace('a', 'b')])(
  'unseals nothing that was altered or not sealed: %s',
  (text) => expect(unseal(text, scope)).toBeUndefined(),
);
