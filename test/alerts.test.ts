import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { namedIn, readDashboard, readRules } from './support/observe.ts';

test.each([...readRules(), ...readDashboard()])('$where asks in PromQL for metrics by name', ({ expr }) => {
  const names = namedIn(expr);
  expect(names).not.toEqual([]);
  for (const name of names) expect(name).toMatch(/^(shop|nodejs|process)_[a-z0-9_]+$/);
});

test.each(['rate(shop_orders_total[5m]', 'sum by function (shop_orders_total)', 'shop_orders_total >'])(
  'what is not PromQL is found: %s',
  (expr) => {
    expect(() => namedIn(expr)).toThrow('not PromQL');
  },
);

test.each(readRules())('$where is explained to whom it wakes', ({ where }) => {
  expect(readFileSync('docs/observability.md', 'utf8')).toContain(`\`${where}\``);
});
