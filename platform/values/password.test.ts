import { expect, test } from '@jest/globals';
import { countingHashes } from '#test/support/hashes.ts';
import { createPasswords } from '#platform/values/password.ts';

const passwords = createPasswords();

// promise: owasp-api2
test('hashes with argon2id, 19 MiB, 2 passes and 1 lane, in PHC form and with a salt per hash', async () => {
  const [one, other] = await Promise.all([passwords.hash('correct horse'), passwords.hash('correct horse')]);
  expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{22,}\$[\w+/]{43}$/);
  expect(other).not.toBe(one);
  expect(await passwords.matches('correct horse', one)).toBe(true);
  expect(await passwords.matches('Correct horse', one)).toBe(false);
});

// promise: owasp-api4
test('computes three hashes at a time, however many are requested', async () => {
  const known = await passwords.hash('x');
  const { result, atOnce, begun } = await countingHashes(() =>
    Promise.all(Array.from({ length: 8 }, () => passwords.matches('y', known))),
  );
  expect({ atOnce, begun }).toEqual({ atOnce: 3, begun: 8 });
  expect(new Set(result)).toEqual(new Set([false]));
});
