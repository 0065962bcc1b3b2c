import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { orderPlaced } from '#events/order-placed.ts';
import { beginChain } from '#platform/events/event.ts';
import * as signatures from '#platform/events/signature.ts';

const { isVerified, signed } = signatures;
const event = signed(beginChain(orderPlaced.create(orderPlaced.sample, new Date('2026-01-02T03:04:05.600Z'))));

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

describe('keys', () => {
  const keyOf = (byte: number) => Buffer.alloc(32, byte).toString('base64url');
  const { EVENT_KEYS } = process.env;
  afterEach(() => {
    process.env['EVENT_KEYS'] = EVENT_KEYS;
  });

  /** The module as a process with these keys has it. */
  async function withKeys(keys: string): Promise<typeof signatures> {
    process.env['EVENT_KEYS'] = keys;
    jest.resetModules();
    return import('#platform/events/signature.ts');
  }

  test('the first one signs, each of them is accepted, another one is not', async () => {
    const older = await withKeys(`old:${keyOf(1)}`);
    const both = await withKeys(`new:${keyOf(2)},old:${keyOf(1)}`);
    const newer = await withKeys(`new:${keyOf(2)}`);
    const [byOld, byBoth] = [older.signed(event), both.signed(event)];
    expect(byBoth.signature).toMatch(/^new\.[\w-]{43}$/);
    expect([both.isVerified(byOld), both.isVerified(byBoth)]).toEqual([true, true]);
    expect([newer.isVerified(byOld), newer.isVerified(byBoth)]).toEqual([false, true]);
    expect(older.isVerified(byBoth)).toBe(false);
  });

  test('the name of a key does not make up for the key', async () => {
    const ours = await withKeys(`test:${keyOf(1)}`);
    const theirs = await withKeys(`test:${keyOf(2)}`);
    expect(ours.isVerified(theirs.signed(event))).toBe(false);
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
  ])('%j ends the process, without telling what it is', async (keys) => {
    const exit = jest.spyOn(process, 'exit').mockImplementation((code) => {
      throw new Error(`ended with ${code}`);
    });
    const said = jest.spyOn(process.stderr, 'write').mockReturnValue(true);
    await expect(withKeys(keys)).rejects.toThrow('ended with 1');
    const [[text] = []] = said.mock.calls;
    exit.mockRestore();
    said.mockRestore();
    expect(text).toContain('must be a list of id:key, each key 32 bytes or more in base64url');
    expect(text).not.toContain(keyOf(1).slice(1));
  });
});
