import { expect, test } from '@jest/globals';
import pg from 'pg';
import { batch, decideOnce } from '#platform/database/batch.ts';
import { databaseOf } from '#platform/database/database.ts';
import { LostStatement } from '#platform/database/lost.ts';

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

test('serves the calls of one turn together, and those that arrive meanwhile with the next batch', async () => {
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

test('never puts two items with the same key into one batch, keeps their order and bounds the size of a batch', async () => {
  const { batches, call } = recorded();
  await Promise.all(['a1', 'a2', 'b', 'a3', 'c', 'd'].map(call));
  expect(batches).toEqual([['a1', 'b', 'c'], ['a2', 'd'], ['a3']]);
});

test('fails one bad item alone', async () => {
  const { call } = recorded(async (items) => {
    if (items.includes('bad')) throw sqlError('23514');
    return items;
  });
  const outcomes = await Promise.allSettled(['a', 'bad', 'c'].map(call));
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
});

test('fails an item alone whose result is an error', async () => {
  const { call } = recorded(async (items) => items.map((item) => (item === 'b' ? new Error('no') : item)));
  const outcomes = await Promise.allSettled(['a', 'b'].map(call));
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
});

// promise: database-outage
test.each(['40001', '40P01'])('retries a batch that lost to another one (%s)', async (code) => {
  let left = 2;
  const { call, batches } = recorded(async (items) => {
    if (left-- > 0) throw sqlError(code);
    return items;
  });
  expect(await call('a')).toBe('a');
  expect(batches).toHaveLength(3);
});

test('fails every call of a batch once when the connection is lost, and serves the next batch', async () => {
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

test('fails the calls that wait as well when the server was silent until the timeout', async () => {
  let isSilent = true;
  const { call, batches } = recorded(async (items) => {
    if (isSilent) throw new LostStatement('test', new Error('Query read timeout'));
    return items;
  });
  const calls = [call('a'), nextTurn().then(() => call('b'))];
  const outcomes = await Promise.allSettled(calls);
  expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true);
  expect(batches).toEqual([['a']]);
  isSilent = false;
  expect(await call('c')).toBe('c');
});

test('fails a batch after it has lost five times', async () => {
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

test('decides once more when the connection was lost, and reads what was committed', async () => {
  let decisions = 0;
  const rows = await decideOnce<string, Row>({
    database: databaseOf(async () => []),
    items: ['a'],
    keyOf: (item) => item,
    rowKeyOf: ({ id }) => id,
    decide: async () => {
      decisions += 1;
      if (decisions === 1) throw new LostStatement('test', new Error('Connection terminated unexpectedly'));
      return [];
    },
    reread: async (_database, items) => rowsOf('me', items),
  });
  expect([...rows.values()]).toEqual([{ id: 'a', by: 'me' }]);
  expect(decisions).toBe(2);
});

/** Decides these items; those that others have decided yield no row, and are read again. */
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

test('does not read again what it decided itself', async () => {
  expect(await decided(['a', 'b'])).toEqual({
    rows: [
      ['key a', { id: 'a', by: 'me' }],
      ['key b', { id: 'b', by: 'me' }],
    ],
    reads: [],
  });
});

test('reads what others have decided, and nothing else', async () => {
  expect(await decided(['a', 'b', 'c'], ['b', 'c'])).toEqual({
    rows: [
      ['key a', { id: 'a', by: 'me' }],
      ['key b', { id: 'b', by: 'others' }],
      ['key c', { id: 'c', by: 'others' }],
    ],
    reads: [['b', 'c']],
  });
});
