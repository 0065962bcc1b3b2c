import { describe, expect, test } from '@jest/globals';
import { parseRetryAfter, waitMs } from '#local/broker/delivery.ts';
import { trigger } from '#local/broker/fixtures.ts';

const { delivery } = trigger('a', 'b', { backoffDelayMs: 100 });
const failed = { status: 500 };

describe('the wait before a retry', () => {
  test.each([
    ['linear' as const, [0, 100, 200, 300]],
    ['exponential' as const, [100, 200, 400, 800]],
  ])('grows as the %s policy defines', (backoffPolicy, waits) => {
    expect([0, 1, 2, 3].map((retries) => waitMs({ ...delivery, backoffPolicy }, retries, failed))).toEqual(waits);
  });

  test.each([429, 503])('is what %d requests, if that is longer, up to retryAfterMax', (status) => {
    const limited = { ...delivery, retryAfterMaxMs: 5000 };
    expect(waitMs(limited, 0, { status, retryAfterMs: 3000 })).toBe(3000);
    expect(waitMs(limited, 0, { status, retryAfterMs: 9000 })).toBe(5000);
    expect(waitMs(limited, 1, { status, retryAfterMs: 50 })).toBe(200);
    expect(waitMs(delivery, 0, { status, retryAfterMs: 3000 })).toBe(100);
  });

  test('ignores Retry-After on any other status', () => {
    expect(waitMs({ ...delivery, retryAfterMaxMs: 5000 }, 0, { status: 500, retryAfterMs: 3000 })).toBe(100);
  });

  test('does not exceed the longest timer of Node', () => {
    expect(waitMs(delivery, 40, failed)).toBe(2 ** 31 - 1);
  });
});

test.each([
  ['2', 2000],
  ['0', 0],
  ['Wed, 21 Oct 2026 07:28:02 GMT', 2000],
  ['Wed, 21 Oct 2026 07:27:00 GMT', 0],
  ['soon', undefined],
])('reads Retry-After: %s as %p milliseconds', (header, ms) => {
  expect(parseRetryAfter(header, Date.parse('2026-10-21T07:28:00Z'))).toBe(ms);
});
