import { describe, expect, test } from '@jest/globals';
import { parseRetryAfter, waitMs } from '#local/broker/delivery.ts';
import { trigger } from '#local/broker/fixtures.ts';

const { delivery } = trigger('a', 'b', { backoffDelayMs: 100 });
const failed = { status: 500 };

describe('the wait before each retry', () => {
  test.each([
    ['linear' as const, [0, 100, 200, 300]],
    ['exponential' as const, [100, 200, 400, 800]],
  ])('is %s', (backoffPolicy, waits) => {
    expect([0, 1, 2, 3].map((retries) => waitMs({ ...delivery, backoffPolicy }, retries, failed))).toEqual(waits);
  });

  test.each([429, 503])('is what %d asks for, if that is longer, up to the most that counts', (status) => {
    const asked = { ...delivery, retryAfterMaxMs: 5000 };
    expect(waitMs(asked, 0, { status, retryAfterMs: 3000 })).toBe(3000);
    expect(waitMs(asked, 0, { status, retryAfterMs: 9000 })).toBe(5000);
    expect(waitMs(asked, 1, { status, retryAfterMs: 50 })).toBe(200);
    expect(waitMs(delivery, 0, { status, retryAfterMs: 3000 })).toBe(100);
  });

  test('is not what any other response asks for', () => {
    expect(waitMs({ ...delivery, retryAfterMaxMs: 5000 }, 0, { status: 500, retryAfterMs: 3000 })).toBe(100);
  });

  test('never is so long that a timer would fire at once', () => {
    expect(waitMs(delivery, 40, failed)).toBe(2 ** 31 - 1);
  });
});

test.each([
  ['2', 2000],
  ['0', 0],
  ['Wed, 21 Oct 2026 07:28:02 GMT', 2000],
  ['Wed, 21 Oct 2026 07:27:00 GMT', 0],
  ['soon', undefined],
])('Retry-After: %s asks for %p milliseconds', (header, ms) => {
  expect(parseRetryAfter(header, Date.parse('2026-10-21T07:28:00Z'))).toBe(ms);
});
