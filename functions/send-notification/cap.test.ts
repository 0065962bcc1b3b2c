import { expect, test } from '@jest/globals';
import { createCap } from './cap.ts';

const hourMs = 3_600_000;
let at = 0;
const capOf = (perHour: number, maxRecipients = 1_000) => createCap(perHour, { now: () => at, maxRecipients });
const admitted = (cap: ReturnType<typeof capOf>, userId: string, count: number) =>
  Array.from({ length: count }, () => cap.admits(userId)).filter(Boolean).length;

// promise: mail-cap
test('admits up to 30 mails to a recipient in an hour, and 30 more in the next one', () => {
  const cap = capOf(30);
  expect(admitted(cap, 'ann', 100)).toBe(30);
  at += hourMs - 1;
  expect(admitted(cap, 'ann', 100)).toBe(0);
  at += 1;
  expect(admitted(cap, 'ann', 100)).toBe(30);
});

test('counts every recipient separately', () => {
  const cap = capOf(2);
  admitted(cap, 'ann', 100);
  expect(admitted(cap, 'bob', 2)).toBe(2);
});

test('admits every mail when the cap is 0', () => {
  expect(admitted(capOf(0), 'ann', 100)).toBe(100);
});

test('remembers a limited number of recipients, the newest', () => {
  const cap = capOf(1, 2);
  for (const userId of ['ann', 'bob', 'eve']) cap.admits(userId);
  expect(['eve', 'bob', 'ann'].map((userId) => cap.admits(userId))).toEqual([false, false, true]);
});
