import { expect, test } from '@jest/globals';
import { bounded } from '#platform/bounded.ts';

/** Work that ends when the test lets it. */
function piecesOfWork() {
  const ends: (() => void)[] = [];
  const begun: string[] = [];
  const work = (name: string) => () => {
    begun.push(name);
    return new Promise<string>((resolve) => ends.push(() => resolve(name)));
  };
  return { ends, begun, work };
}

test('so many run at once, so many wait in turn, and the rest is turned away', async () => {
  const { ends, begun, work } = piecesOfWork();
  const inTurn = bounded({ atOnce: 2, maxWaiting: 1 });
  const [a, b, c] = ['a', 'b', 'c'].map((name) => inTurn(work(name)));
  await expect(inTurn(work('d'))).rejects.toMatchObject({ code: 'unavailable', status: 503, retryAfterSeconds: 1 });
  expect(begun).toEqual(['a', 'b']);
  ends[0]?.();
  expect(await a).toBe('a');
  expect(begun).toEqual(['a', 'b', 'c']);
  ends[1]?.();
  ends[2]?.();
  expect(await Promise.all([b, c])).toEqual(['b', 'c']);
});

test('work that fails makes room as well', async () => {
  const inTurn = bounded({ atOnce: 1, maxWaiting: 0 });
  await expect(inTurn(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await inTurn(async () => 'yes')).toBe('yes');
});
