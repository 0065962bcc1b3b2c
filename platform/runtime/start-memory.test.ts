import { expect, test } from '@jest/globals';
import { releaseStartMemory } from '#platform/runtime/start-memory.ts';

const heapMb = () => process.memoryUsage().heapUsed / 1_048_576;

test('frees memory that is no longer needed', async () => {
  let needed: object[] | undefined = Array.from({ length: 1_000_000 }, (_, index) => ({ index }));
  const before = heapMb();
  expect(needed).toHaveLength(1_000_000);
  needed = undefined;
  await releaseStartMemory(0);
  expect(heapMb()).toBeLessThan(before - 20);
});
