import { expect, test } from '@jest/globals';
import { useDatabase } from '#test/support/database.ts';
import { useStorefront, type AskOptions } from '#test/support/storefront.ts';

useDatabase();
const { ask, called } = useStorefront();

// promise: http-headers
test.each([
  'application/json;charset=utf-8',
  'application/json; charset=utf8',
  'application/json; charset=UTF8',
  'application/json; charset="utf-8"',
  'application/json; charset=us-ascii',
  'Application/JSON ; Charset=Utf-8',
  'application/json;',
  'application/json; charset=',
  'application/json;odata=verbose;IEEE754Compatible=true',
])('reads a body as JSON in UTF-8 when its type is %s', async (type) => {
  const response = await ask('/v1/users', { body: { name: 'Zoë' }, headers: { 'content-type': type } });
  expect(response.status).toBe(201);
  expect(called).toMatchObject([{ name: 'register-user', request: { body: { name: 'Zoë' } } }]);
});

test.each([
  ['a body that is not JSON', 400, { body: '{"a":' }],
  ['an empty body', 415, { method: 'POST' }],
  ['another content type', 415, { body: 'a=1', headers: { 'content-type': 'application/x-www-form-urlencoded' } }],
  ['another charset', 415, { body: '{}', headers: { 'content-type': 'application/json; charset=latin1' } }],
  ['another charset of Unicode', 415, { body: '{}', headers: { 'content-type': 'application/json; charset=utf-16' } }],
  ['an invalid content type', 415, { body: '{}', headers: { 'content-type': 'application/json x' } }],
  ['a body above 64 KiB', 413, { body: JSON.stringify('x'.repeat(70_000)) }],
] as [string, number, AskOptions][])(
  'refuses %s with %i before any function is called',
  async (_what, status, options) => {
    const response = await ask('/v1/users', options);
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(called).toEqual([]);
  },
);
