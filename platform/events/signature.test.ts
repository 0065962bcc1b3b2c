import { afterEach, describe, expect, test } from '@jest/globals';
import { orderPlaced } from '#events/order-placed.ts';
import { beginChain } from '#platform/events/event.ts';
import { createSigner, type Signer } from '#platform/events/signature.ts';

const { isVerified, sign } = createSigner();
const event = sign(beginChain(orderPlaced.create(orderPlaced.sample, new Date('2026-01-02T03:04:05.600Z'))));

test('verifies an event that the shop signed', () => {
  expect(isVerified(event)).toBe(true);
});

test('verifies an event whose time a broker reformatted and whose attributes it extended', () => {
  expect(isVerified({ ...event, time: '2026-01-02T03:04:05.6Z', knativearrivaltime: 'x', traceparent: '00-1' })).toBe(
    true,
  );
  expect(isVerified({ ...event, time: '2026-01-02T04:04:05.600+01:00' })).toBe(true);
});

describe('refuses an event with an altered', () => {
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

describe('keys', () => {
  const keyOf = (byte: number) => Buffer.alloc(32, byte).toString('base64url');
  const { EVENT_KEYS } = process.env;
  afterEach(() => {
    process.env['EVENT_KEYS'] = EVENT_KEYS;
  });

  /** The signer of a process with these keys. */
  function withKeys(keys: string): Signer {
    process.env['EVENT_KEYS'] = keys;
    return createSigner();
  }

  test('sign with the first one, and accept each of them and no other', () => {
    const older = withKeys(`old:${keyOf(1)}`);
    const both = withKeys(`new:${keyOf(2)},old:${keyOf(1)}`);
    const newer = withKeys(`new:${keyOf(2)}`);
    const [byOld, byBoth] = [older.sign(event), both.sign(event)];
    expect(byBoth.signature).toMatch(/^new\.[\w-]{43}$/);
    expect([both.isVerified(byOld), both.isVerified(byBoth)]).toEqual([true, true]);
    expect([newer.isVerified(byOld), newer.isVerified(byBoth)]).toEqual([false, true]);
    expect(older.isVerified(byBoth)).toBe(false);
  });

  test('of the same name are different keys', () => {
    const one = withKeys(`test:${keyOf(1)}`);
    const other = withKeys(`test:${keyOf(2)}`);
    expect(one.isVerified(other.sign(event))).toBe(false);
  });

  test.each([
    '',
    'test',
    keyOf(1),
    `test:${keyOf(1).slice(1)}`,
    `te st:${keyOf(1)}`,
    `test:${keyOf(1)}!`,
    `:${keyOf(1)}`,
    `a:${keyOf(1)},`,
    `test:${keyOf(1)},b:short`,
  ])('%j is refused without quoting it', (keys) => {
    expect(() => withKeys(keys)).toThrow(
      expect.objectContaining({
        name: 'SettingsError',
        message: expect.stringContaining('must be a list of id:key, each key 32 bytes or more in base64url'),
      }),
    );
    expect(() => withKeys(keys)).not.toThrow(keyOf(1).slice(1));
  });
});
