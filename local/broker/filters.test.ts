import { describe, expect, test } from '@jest/globals';
import { event } from '#local/broker/fixtures.ts';
import { compileFilter, filterSchema, indexByType, type FilterSpec } from '#local/broker/filters.ts';

const placed = event('shop.order.placed.v1', { subject: 'o1', priority: 2, empty: '', absent: undefined });

const matching: [string, FilterSpec][] = [
  ['no filter at all', {}],
  ['a filter without attributes', { filter: {} }],
  ['an empty list of filters', { filters: [] }],
  ['the type', { filter: { type: 'shop.order.placed.v1' } }],
  ['the type and an extension', { filter: { type: 'shop.order.placed.v1', subject: 'o1' } }],
  ['an attribute that must only be there', { filter: { subject: '' } }],
  ['a number, compared as text', { filter: { priority: '2' } }],
  ['exact', { filters: [{ exact: { subject: 'o1' } }] }],
  ['exact with two attributes', { filters: [{ exact: { subject: 'o1', source: '/test' } }] }],
  ['prefix', { filters: [{ prefix: { type: 'shop.order.' } }] }],
  ['suffix', { filters: [{ suffix: { type: '.v1' } }] }],
  ['all', { filters: [{ all: [{ prefix: { type: 'shop' } }, { suffix: { type: 'v1' } }] }] }],
  ['any', { filters: [{ any: [{ exact: { subject: 'o2' } }, { exact: { subject: 'o1' } }] }] }],
  ['not', { filters: [{ not: { exact: { subject: 'o2' } } }] }],
  ['not of a missing attribute', { filters: [{ not: { exact: { nothere: 'x' } } }] }],
  [
    'dialects inside each other',
    { filters: [{ not: { any: [{ exact: { type: 'x' } }, { all: [{ prefix: { type: 'y' } }] }] } }] },
  ],
  [
    'filters, which win over a filter that does not match',
    { filter: { type: 'x' }, filters: [{ exact: { subject: 'o1' } }] },
  ],
];

const notMatching: [string, FilterSpec][] = [
  ['another type', { filter: { type: 'shop.order.paid.v1' } }],
  ['one attribute of two', { filter: { type: 'shop.order.placed.v1', subject: 'o2' } }],
  ['a missing attribute that must be there', { filter: { nothere: '' } }],
  ['an attribute without a value', { filter: { absent: '' } }],
  ['an empty attribute that must be there', { filter: { empty: '' } }],
  ['exact with one attribute of two', { filters: [{ exact: { subject: 'o1', source: '/other' } }] }],
  ['exact of a missing attribute', { filters: [{ exact: { nothere: 'x' } }] }],
  ['prefix of a missing attribute', { filters: [{ prefix: { nothere: 'x' } }] }],
  ['suffix of a missing attribute', { filters: [{ suffix: { nothere: 'x' } }] }],
  ['another prefix', { filters: [{ prefix: { type: 'order' } }] }],
  ['another suffix', { filters: [{ suffix: { type: 'v2' } }] }],
  ['all, one of which fails', { filters: [{ all: [{ exact: { subject: 'o1' } }, { exact: { type: 'x' } }] }] }],
  ['any, none of which matches', { filters: [{ any: [{ exact: { subject: 'o2' } }, { exact: { type: 'x' } }] }] }],
  ['not', { filters: [{ not: { exact: { subject: 'o1' } } }] }],
  ['a list, one of which fails', { filters: [{ exact: { subject: 'o1' } }, { exact: { type: 'x' } }] }],
  ['filters, which win over a filter that matches', { filter: { subject: 'o1' }, filters: [{ exact: { type: 'x' } }] }],
];

describe('a Trigger wants an event that has', () => {
  test.each(matching)('%s', (_, spec) => expect(compileFilter(spec)(placed)).toBe(true));
});

describe('a Trigger does not want an event that has', () => {
  test.each(notMatching)('%s', (_, spec) => expect(compileFilter(spec)(placed)).toBe(false));
});

test('of many filters exactly those that match are found, in their order, whether or not they name a type', () => {
  const specs = [...matching, ...notMatching].map(([, spec]) => spec);
  expect(indexByType(specs)(placed)).toEqual(matching.map(([, spec]) => spec));
  const anything: FilterSpec = { filter: { type: 'a' }, filters: [{ prefix: { type: '' } }] };
  expect(indexByType([{ filter: { type: 'a' } }, anything, {}])(event('b'))).toEqual([anything, {}]);
});

test.each([
  ['cesql', { cesql: "type = 'a'" }, 'is not understood by the local broker'],
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
