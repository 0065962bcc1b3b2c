import { expect, test } from '@jest/globals';
import pg from 'pg';
import { withoutData } from './log.ts';

test('an error of the database is told by its codes, not by the row that it quotes', () => {
  const error = Object.assign(new pg.DatabaseError('violates check constraint "users_check"', 1, 'error'), {
    code: '23514',
    constraint: 'users_check',
    table: 'users',
    detail: 'Failing row contains (ann@example.com, Ann, $argon2id$).',
    where: 'ann@example.com',
  });
  expect(withoutData(error)).toMatchObject({ code: '23514', constraint: 'users_check', table: 'users' });
  expect(JSON.stringify(withoutData(error))).not.toMatch(/ann|argon/i);
});

test('an error about a value or a text is told without it, and so is its cause', () => {
  const unreadable = Object.assign(new Error('invalid input syntax for type uuid: "ann@example.com"'), {
    code: '22P02',
  });
  const told = JSON.stringify([
    withoutData(unreadable),
    withoutData(new Error('outer', { cause: unreadable })),
    withoutData(Object.assign(new SyntaxError('Unexpected token in "ann@example.com"'), { body: 'ann@example.com' })),
  ]);
  expect(told).toContain('22P02');
  expect(told).toContain('outer');
  expect(told).not.toContain('ann@');
});

test('where an error happened stays', () => {
  expect(withoutData(new TypeError('x is undefined'))).toMatchObject({
    type: 'TypeError',
    message: 'x is undefined',
    stack: expect.stringContaining('log.test.ts'),
  });
});
