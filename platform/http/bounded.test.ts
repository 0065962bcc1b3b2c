import { expect, test } from '@jest/globals';
import { bounded } from '#platform/http/bounded.ts';

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

test('runs up to N at once, lets up to M wait in turn, and refuses the rest', async () => {
  const { ends, begun, work } = piecesOfWork();
  const inTurn = bounded(2, { all: { atOnce: 2, maxWaiting: 1 } });
  const [a, b, c] = ['a', 'b', 'c'].map((name) => inTurn('all', work(name)));
  await expect(inTurn('all', work('d'))).rejects.toMatchObject({
    code: 'unavailable',
    status: 503,
    retryAfterSeconds: 1,
  });
  expect(begun).toEqual(['a', 'b']);
  ends[0]?.();
  expect(await a).toBe('a');
  expect(begun).toEqual(['a', 'b', 'c']);
  ends[1]?.();
  ends[2]?.();
  expect(await Promise.all([b, c])).toEqual(['b', 'c']);
});

test('frees the slot of work that fails', async () => {
  const inTurn = bounded(1, { all: { atOnce: 1, maxWaiting: 0 } });
  await expect(inTurn('all', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await inTurn('all', async () => 'yes')).toBe('yes');
});

test('limits a lane to its own slots, and hands a free slot to the lanes in turn', async () => {
  const { ends, begun, work } = piecesOfWork();
  const inTurn = bounded(2, { first: { atOnce: 2, maxWaiting: 9 }, second: { atOnce: 1, maxWaiting: 1 } });
  const second = [inTurn('second', work('s1')), inTurn('second', work('s2'))];
  await expect(inTurn('second', work('s3'))).rejects.toMatchObject({ code: 'unavailable' });
  const first = [1, 2, 3].map((index) => inTurn('first', work(`f${index}`)));
  expect(begun).toEqual(['s1', 'f1']);
  ends[1]?.();
  await first[0];
  // its only slot is taken
  expect(begun).toEqual(['s1', 'f1', 'f2']);
  ends[0]?.();
  await second[0];
  expect(begun).toEqual(['s1', 'f1', 'f2', 's2']);
  ends[3]?.();
  await second[1];
  expect(begun).toEqual(['s1', 'f1', 'f2', 's2', 'f3']);
  for (const end of ends) end();
  await Promise.all(first);
});
