import { expect, test } from '@jest/globals';
import { createLogInHistory } from './log-in-history.ts';

const home = '192.0.2.1';
const elsewhere = '192.0.2.2';
const ann = 'ann@example.com';
const bob = 'bob@example.com';

/** A history with a clock of its own. `isSuspect` makes an attempt that ends with `status`. */
function history(options: { maxEntries?: number } = {}) {
  const clock = { ms: 0 };
  const attempt = createLogInHistory({ now: () => clock.ms, failureMs: 60_000, knownMs: 600_000, ...options });
  const isSuspect = async (email: string, address: string, status = 503): Promise<boolean> => {
    let said = false;
    await attempt({ email, address }, async (suspect) => {
      said = suspect;
      return { statusCode: status, headers: {}, body: {} };
    });
    return said;
  };
  return { attempt, clock, isSuspect };
}

test('an address and an e-mail that have failed are suspect, for a while; others are not', async () => {
  const { clock, isSuspect } = history();
  expect(await isSuspect(ann, home, 401)).toBe(false);
  expect([await isSuspect(ann, elsewhere), await isSuspect(bob, home), await isSuspect(bob, elsewhere)]).toEqual([
    true,
    true,
    false,
  ]);
  clock.ms = 60_000;
  expect([await isSuspect(ann, elsewhere), await isSuspect(bob, home)]).toEqual([false, false]);
});

test('a customer is not suspect where they have logged in, whatever others try, until they fail there', async () => {
  const { clock, isSuspect } = history();
  await isSuspect(ann, home, 201);
  await isSuspect(bob, home, 401);
  await isSuspect(ann, elsewhere, 401);
  expect(await isSuspect(ann, home)).toBe(false);
  await isSuspect(ann, home, 401);
  expect(await isSuspect(ann, home)).toBe(true);
  await isSuspect(ann, home, 201);
  expect(await isSuspect(ann, home)).toBe(false);
  clock.ms = 600_000;
  await isSuspect(ann, elsewhere, 401);
  expect(await isSuspect(ann, home)).toBe(true);
});

test('what the shop could not check, or the customer misspelled, is no failure', async () => {
  const { isSuspect } = history();
  for (const status of [503, 422, 429]) await isSuspect(ann, home, status);
  expect(await isSuspect(ann, home)).toBe(false);
});

test('the third log-in in flight from one address is suspect, also when an earlier one fails to answer', async () => {
  const { attempt, isSuspect } = history();
  const answer = { statusCode: 201, headers: {}, body: {} };
  const ends: (() => void)[] = [];
  const open = () => attempt({ email: ann, address: home }, () => new Promise((end) => ends.push(() => end(answer))));
  const inFlight = [open(), open()];
  expect([await isSuspect(bob, home), await isSuspect(bob, elsewhere)]).toEqual([true, false]);
  ends[0]?.();
  await inFlight[0];
  await expect(attempt({ email: bob, address: home }, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await isSuspect(bob, home)).toBe(false);
  ends[1]?.();
  await inFlight[1];
});

test('the memory is bounded: the oldest failure is forgotten first', async () => {
  const { isSuspect } = history({ maxEntries: 4 });
  for (const index of [1, 2, 3]) await isSuspect(`guess-${index}@example.com`, `10.0.0.${index}`, 401);
  expect([await isSuspect(ann, '10.0.0.1'), await isSuspect(ann, '10.0.0.3')]).toEqual([false, true]);
});
