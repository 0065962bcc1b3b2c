import { expect, test } from '@jest/globals';
import { matching, notMatching, type TriggerSpec } from '#local/broker/conformance.ts';
import { event } from '#local/broker/fixtures.ts';
import { filterSchema, indexByType, type Filter, type FilterSpec } from '#local/broker/filters.ts';

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

test('of many filters exactly those that match are found, in their order, whether or not they name a type', () => {
  const wanted = specsOf(matching);
  const unwanted = [...specsOf(notMatching), { filter: { absent: '' } }];
  expect(indexByType([...wanted, ...unwanted])(placed)).toEqual(wanted);
  const anything: FilterSpec = { filter: { type: 'a' }, filters: [{ prefix: { type: '' } }] };
  expect(indexByType([{ filter: { type: 'a' } }, anything, {}])(event('b'))).toEqual([anything, {}]);
});

test.each([
  ['cesql', { cesql: "type = 'a'" }, 'is understood by Knative only'],
  ['two dialects in one item', { exact: { type: 'a' }, prefix: { type: 'a' } }, 'must be exactly one of'],
  ['no dialect', {}, 'must be exactly one of'],
  ['an unknown dialect', { regex: { type: 'a' } }, 'Unrecognized key'],
  ['a name that no attribute has', { exact: { 'order-id': 'a' } }, 'lowercase letters and digits'],
  ['the data', { exact: { data: 'a' } }, 'lowercase letters and digits'],
  ['an empty text', { prefix: { type: '' } }, 'an empty text is for filter.attributes only'],
  ['an empty list', { any: [] }, '>=1'],
  ['something wrong deep inside', { not: { all: [{ exact: { type: 1 } }] } }, 'must be a text'],
])('a filter with %s is refused when it is read', (_, filter, message) => {
  expect(() => filterSchema.parse(filter)).toThrow(message);
});
