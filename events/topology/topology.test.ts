import { expect, test } from '@jest/globals';
import { readTopology } from './topology.ts';

// promise: unique-ids
test('no two events about one object have the same id, whatever their source', async () => {
  const { contracts } = await readTopology();
  const ids = contracts.map((contract) => contract.create(contract.sample).id);
  expect(ids.length).toBeGreaterThan(10);
  expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
});
