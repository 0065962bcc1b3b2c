import { expect, test } from '@jest/globals';
import { countingHashes } from '#test/support/hashes.ts';
import { hashPassword, isPassword } from '#platform/values/password.ts';

// promise: owasp-api2
test('a hash is argon2id with 19 MiB, 2 passes and 1 lane in PHC form, with a salt of its own', async () => {
  const [one, other] = await Promise.all([hashPassword('correct horse'), hashPassword('correct horse')]);
  expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{22,}\$[\w+/]{43}$/);
  expect(other).not.toBe(one);
  expect(await isPassword('correct horse', one)).toBe(true);
  expect(await isPassword('Correct horse', one)).toBe(false);
});

// promise: owasp-api4
test('however many log in at once, three hashes are computed at a time', async () => {
  const known = await hashPassword('x');
  const { result, atOnce, begun } = await countingHashes(() =>
    Promise.all(Array.from({ length: 8 }, () => isPassword('y', known))),
  );
  expect({ atOnce, begun }).toEqual({ atOnce: 3, begun: 8 });
  expect(new Set(result)).toEqual(new Set([false]));
});
