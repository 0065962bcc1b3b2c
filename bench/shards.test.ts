import { globSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { newCustomers } from './customers.ts';
import { byShard, shardOf } from './shards-route.ts';

test('a customer always has the same shard, and the shards have about as many customers each', () => {
  const customers = newCustomers(10_000); // their ids begin with the same time
  for (const shards of [1, 2, 4]) {
    const parts = byShard(customers, shards);
    expect(parts.flat()).toHaveLength(customers.length);
    for (const part of parts) {
      expect(part.length).toBeGreaterThan((customers.length / shards) * 0.9);
      expect(part.every((id) => shardOf(id, shards) === parts.indexOf(part))).toBe(true);
    }
  }
});

test('twice as many shards split each shard, and move no other customer', () => {
  for (const id of newCustomers(1_000)) expect(shardOf(id, 4) % 2).toBe(shardOf(id, 2));
});

test('docs/scaling.md says of every statement of the shop whether it crosses customers', () => {
  const page = readFileSync('docs/scaling.md', 'utf8');
  const files = globSync(['functions/**/*.ts', 'platform/**/*.ts']).filter((file) => !file.endsWith('.test.ts'));
  const names = files.flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/\b(?:statement|scanOf)(?:<.*>)?\(\s*['`]([^'`]+)['`]/g)].map(
      ([, name = '']) =>
        // the names of sweep are put together
        file.endsWith('stranded.ts') ? `sweep.${name.replace(/^sweep\./, '').replace(/\$.*$/, '')}` : name,
    ),
  );
  expect(names.length).toBeGreaterThan(50);
  const missing = names.filter((name) => !page.includes(`\`${name}`) && !page.includes(`\`${name.split('.')[0]}.*\``));
  expect(missing).toEqual([]);
});
