import { expect, test } from '@jest/globals';
import { password, personName, typedPassword } from '#platform/values/text.ts';

test.each([
  'Administrator',
  'J.R.R. Tolkien',
  "Dr. Ann O'Neil-Smith, Jr.",
  'Conan O’Brien',
  '王小明',
  '山田　太郎',
  'ジョン・スミス',
  'José',
  'Ñandú',
  'Gal·la',
  'علی‌رضا',
  'नरेन्द्र',
  'Jan Jansen 2',
  '3rd Floor, FunctionModule 7',
  'X',
])('%s is a name', (name) => {
  expect(personName.parse(name)).toBe(name);
});

test.each([
  'Visit evil.com now',
  'evil1.com',
  'a-b.co',
  'Ann (пример.рф)',
  'пример.рф',
  'http://evil.com',
  'https://x',
  'www.x.io',
  'Go to WWW.x',
  'ann@example.com',
  '<b>Ann</b>',
  'Ann & Bob',
  '{{7*7}}',
  'Ann\nBob',
  'Ann\0',
  '\u202eAnn',
  '\ud800',
  '💸 Win!',
  "'Ann'",
  '-',
  '',
  '  ',
  'x'.repeat(201),
])('%j is no name', (name) => {
  expect(personName.safeParse(name).success).toBe(false);
});

test('what a name may not hold is said in a sentence', () => {
  const said = (name: string) => personName.safeParse(name).error?.issues.map(({ message }) => message);
  expect(said('Visit evil.com now')).toEqual(['must not contain a web address; after a dot comes a space']);
  expect(said('<b>')).toEqual([
    "must begin with a letter or digit, and have only letters, digits, spaces and ' ’ - . ,",
  ]);
});

test('names and passwords are the same value however they are composed', () => {
  expect(personName.parse('  José '.normalize('NFD'))).toBe('José'.normalize('NFC'));
  expect(password.parse('Grüße-aus-Köln'.normalize('NFD'))).toBe('Grüße-aus-Köln'.normalize('NFC'));
  expect(typedPassword.parse('ü'.normalize('NFD'))).toBe('ü'.normalize('NFC'));
});

test('the length of a password is that of its composed form', () => {
  expect(password.safeParse('üüüüüüü'.normalize('NFD')).success).toBe(false);
  expect(password.safeParse('üüüüüüüü'.normalize('NFD')).success).toBe(true);
});
