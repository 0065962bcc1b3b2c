import { expect, test } from '@jest/globals';
import pg from 'pg';
import { withoutData } from './log.ts';

test('logs a database error by its codes, without the row that it quotes', () => {
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

test('logs an error about a value without the value, and its cause likewise', () => {
  const unreadable = Object.assign(new Error('invalid input syntax for type uuid: "ann@example.com"'), {
    code: '22P02',
  });
  const logged = JSON.stringify([
    withoutData(unreadable),
    withoutData(new Error('outer', { cause: unreadable })),
    withoutData(Object.assign(new SyntaxError('Unexpected token in "ann@example.com"'), { body: 'ann@example.com' })),
  ]);
  expect(logged).toContain('22P02');
  expect(logged).toContain('outer');
  expect(logged).not.toContain('ann@');
});

test('logs where an error happened', () => {
  expect(withoutData(new TypeError('x is undefined'))).toMatchObject({
    type: 'TypeError',
    message: 'x is undefined',
    stack: expect.stringContaining('log.test.ts'),
  });
});
