import { describe, expect, test } from '@jest/globals';
import { orderPlaced } from '#events/order-placed.ts';
import { beginChain } from '#platform/event.ts';
import { isVerified, signed } from '#platform/signature.ts';

const event = signed(beginChain(orderPlaced.fact(orderPlaced.sample, new Date('2026-01-02T03:04:05.600Z'))));

test('what the shop signed is verified', () => {
  expect(isVerified(event)).toBe(true);
});

test('a broker may write the time in another way and add what it likes', () => {
  expect(isVerified({ ...event, time: '2026-01-02T03:04:05.6Z', knativearrivaltime: 'x', traceparent: '00-1' })).toBe(
    true,
  );
  expect(isVerified({ ...event, time: '2026-01-02T04:04:05.600+01:00' })).toBe(true);
});

describe('nothing that the shop trusts may be altered', () => {
  test.each(['id', 'source', 'type', 'subject', 'correlationid', 'partitionkey'])('%s', (name) => {
    expect(isVerified({ ...event, [name]: `${String(event[name])}x` })).toBe(false);
    expect(isVerified({ ...event, [name]: undefined })).toBe(false);
  });

  test('time and data', () => {
    expect(isVerified({ ...event, time: '2026-01-02T03:04:05.601Z' })).toBe(false);
    expect(isVerified({ ...event, data: { ...(event.data as object), more: 1 } })).toBe(false);
  });

  test.each([undefined, '', 'test.', 'test', 'other.abc', `test.${'A'.repeat(43)}`, 1])('signature %j', (signature) => {
    expect(isVerified({ ...event, signature })).toBe(false);
  });
});
