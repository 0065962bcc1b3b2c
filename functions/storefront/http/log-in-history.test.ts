import { expect, test } from '@jest/globals';
import { createLogInHistory } from './log-in-history.ts';

const home = '192.0.2.1';
const elsewhere = '192.0.2.2';
const ann = 'ann@example.com';
const bob = 'bob@example.com';

/** A history with its own clock. `isSuspect` makes an attempt that ends with `status`. */
function history(options: { maxEntries?: number } = {}) {
  const clock = { ms: 0 };
  const attempt = createLogInHistory({ now: () => clock.ms, failureMs: 60_000, knownMs: 600_000, ...options });
  const isSuspect = async (email: string, address: string, status = 503): Promise<boolean> => {
    let wasSuspect = false;
    await attempt({ email, address }, async (suspect) => {
      wasSuspect = suspect;
      return { statusCode: status, headers: {}, body: {} };
    });
    return wasSuspect;
  };
  return { attempt, clock, isSuspect };
}

test('suspects an address and an e-mail that have failed, for a while, and no others', async () => {
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

test('does not suspect a customer at an address where they have logged in, until they fail there', async () => {
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

test('does not count a log-in as failed that was not checked or was malformed', async () => {
  const { isSuspect } = history();
  for (const status of [503, 422, 429]) await isSuspect(ann, home, status);
  expect(await isSuspect(ann, home)).toBe(false);
});

test('suspects the third log-in in flight from one address, and frees the slot of one that throws', async () => {
  const { attempt, isSuspect } = history();
  const response = { statusCode: 201, headers: {}, body: {} };
  const ends: (() => void)[] = [];
  const open = () => attempt({ email: ann, address: home }, () => new Promise((end) => ends.push(() => end(response))));
  const inFlight = [open(), open()];
  expect([await isSuspect(bob, home), await isSuspect(bob, elsewhere)]).toEqual([true, false]);
  ends[0]?.();
  await inFlight[0];
  await expect(attempt({ email: bob, address: home }, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await isSuspect(bob, home)).toBe(false);
  ends[1]?.();
  await inFlight[1];
});

test('bounds its memory by forgetting the oldest failure first', async () => {
  const { isSuspect } = history({ maxEntries: 4 });
  for (const index of [1, 2, 3]) await isSuspect(`guess-${index}@example.com`, `10.0.0.${index}`, 401);
  expect([await isSuspect(ann, '10.0.0.1'), await isSuspect(ann, '10.0.0.3')]).toEqual([false, true]);
});
