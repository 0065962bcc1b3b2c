import { expect, test } from '@jest/globals';
import pg from 'pg';
import { batch, decideOnce } from '#platform/database/batch.ts';
import { databaseOf } from '#platform/database/database.ts';

const sqlError = (code: string) => Object.assign(new pg.DatabaseError('no', 1, 'error'), { code });
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

function recorded(
  run: (items: string[]) => Promise<(string | Error)[]> = async (items) => items.map((i) => i.toUpperCase()),
) {
  const batches: string[][] = [];
  const call = batch<string, string>({
    key: (item) => item[0] ?? '',
    run: async (items) => {
      batches.push(items);
      await nextTurn();
      return run(items);
    },
    maxItems: 3,
  });
  return { batches, call };
}

test('calls of one turn are served together, and those that come meanwhile by the next', async () => {
  const { batches, call } = recorded();
  const first = ['a', 'b'].map(call);
  await nextTurn();
  const later = ['c', 'd', 'e'].map(call);
  expect(await Promise.all([...first, ...later])).toEqual(['A', 'B', 'C', 'D', 'E']);
  expect(batches).toEqual([
    ['a', 'b'],
    ['c', 'd', 'e'],
  ]);
});

test('two items with one key never share a batch and keep their order; no batch is too large', async () => {
  const { batches, call } = recorded();
  await Promise.all(['a1', 'a2', 'b', 'a3', 'c', 'd'].map(call));
  expect(batches).toEqual([['a1', 'b', 'c'], ['a2', 'd'], ['a3']]);
});

test('one bad item fails alone', async () => {
  const { call } = recorded(async (items) => {
    if (items.includes('bad')) throw sqlError('23514');
    return items;
  });
  const outcomes = await Promise.allSettled(['a', 'bad', 'c'].map(call));
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
});

test('an item that is answered with an error fails alone', async () => {
  const { call } = recorded(async (items) => items.map((item) => (item === 'b' ? new Error('no') : item)));
  const outcomes = await Promise.allSettled(['a', 'b'].map(call));
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
});

// promise: database-outage
test.each(['40001', '40P01'])('a batch that lost to another one (%s) is tried again', async (code) => {
  let left = 2;
  const { call, batches } = recorded(async (items) => {
    if (left-- > 0) throw sqlError(code);
    return items;
  });
  expect(await call('a')).toBe('a');
  expect(batches).toHaveLength(3);
});

test('trouble fails every call of the batch once, and the next batch goes on', async () => {
  let broken = true;
  const { call, batches } = recorded(async (items) => {
    if (broken) throw new Error('Connection terminated unexpectedly');
    return items;
  });
  const outcomes = await Promise.allSettled(['a', 'b'].map(call));
  expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true);
  expect(batches).toHaveLength(1);
  broken = false;
  expect(await call('a')).toBe('a');
});

test('a batch that loses again and again fails at last', async () => {
  const { call, batches } = recorded(async () => {
    throw sqlError('40001');
  });
  await expect(call('a')).rejects.toMatchObject({ code: '40001' });
  expect(batches).toHaveLength(5);
});

interface Row {
  id: string;
  by: string;
}
const rowsOf = (by: string, ids: string[]): Row[] => ids.map((id) => ({ id, by }));

/** Decides these items; of those that others have decided nothing comes, and they are read. */
async function decided(items: string[], byOthers: string[] = []) {
  const reads: string[][] = [];
  const mine = items.filter((item) => !byOthers.includes(item));
  const rows = await decideOnce<string, Row>({
    database: databaseOf(async () => []),
    items,
    keyOf: (item) => `key ${item}`,
    rowKeyOf: ({ id }) => `key ${id}`,
    decide: async () => rowsOf('me', mine),
    reread: async (_database, others) => {
      reads.push(others);
      return rowsOf('others', others);
    },
  });
  return { rows: [...rows], reads };
}

test('what was decided now is not read again', async () => {
  expect(await decided(['a', 'b'])).toEqual({
    rows: [
      ['key a', { id: 'a', by: 'me' }],
      ['key b', { id: 'b', by: 'me' }],
    ],
    reads: [],
  });
});

test('what others have decided is read, and nothing else', async () => {
  expect(await decided(['a', 'b', 'c'], ['b', 'c'])).toEqual({
    rows: [
      ['key a', { id: 'a', by: 'me' }],
      ['key b', { id: 'b', by: 'others' }],
      ['key c', { id: 'c', by: 'others' }],
    ],
    reads: [['b', 'c']],
  });
});
