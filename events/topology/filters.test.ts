import { expect, test } from '@jest/globals';
import { matching, notMatching, type TriggerSpec } from '#local/broker/conformance.ts';
import { event } from '#local/broker/fixtures.ts';
import { filterSchema, indexByType, type Filter, type FilterSpec } from '#events/topology/filters.ts';

const placed = event('shop.order.placed.v1', {
  subject: 'o1',
  priority: 2,
  empty: '',
  absent: undefined,
  time: '2026-11-27T10:00:00.5Z',
});

const specsOf = (triggers: Record<string, TriggerSpec>): FilterSpec[] =>
  Object.values(triggers).map(({ filter, filters }) => ({
    filter: filter?.attributes,
    filters: filters as Filter[] | undefined,
  }));

test('finds exactly the filters that match, in their order, whether or not they name a type', () => {
  const expected = specsOf(matching);
  const others = [...specsOf(notMatching), { filter: { absent: '' } }];
  expect(indexByType([...expected, ...others])(placed)).toEqual(expected);
  const anything: FilterSpec = { filter: { type: 'a' }, filters: [{ prefix: { type: '' } }] };
  expect(indexByType([{ filter: { type: 'a' } }, anything, {}])(event('b'))).toEqual([anything, {}]);
});

test.each([
  ['cesql', { cesql: "type = 'a'" }, 'is supported by Knative, not by the local broker'],
  ['two dialects in one item', { exact: { type: 'a' }, prefix: { type: 'a' } }, 'must be exactly one of'],
  ['no dialect', {}, 'must be exactly one of'],
  ['an unknown dialect', { regex: { type: 'a' } }, 'Unrecognized key'],
  ['an invalid attribute name', { exact: { 'order-id': 'a' } }, 'lowercase letters and digits'],
  ['the data', { exact: { data: 'a' } }, 'lowercase letters and digits'],
  ['an empty string', { prefix: { type: '' } }, 'an empty string is allowed in filter.attributes only'],
  ['an empty list', { any: [] }, '>=1'],
  ['a nested error', { not: { all: [{ exact: { type: 1 } }] } }, 'must be a string'],
])('refuses a filter with %s when it is parsed', (_, filter, message) => {
  expect(() => filterSchema.parse(filter)).toThrow(message);
});
