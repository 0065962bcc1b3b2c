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
  '3rd Floor, Suite 7',
  'X',
])('accepts the name %s', (name) => {
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
])('refuses the name %j', (name) => {
  expect(personName.safeParse(name).success).toBe(false);
});

test('says what a name must not contain', () => {
  const messagesOf = (name: string) => personName.safeParse(name).error?.issues.map(({ message }) => message);
  expect(messagesOf('Visit evil.com now')).toEqual(['must not contain a web address; after a dot comes a space']);
  expect(messagesOf('<b>')).toEqual([
    "must begin with a letter or digit, and have only letters, digits, spaces and ' ’ - . ,",
  ]);
});

test('reads a name or password as the same value in composed and decomposed form', () => {
  expect(personName.parse('  José '.normalize('NFD'))).toBe('José'.normalize('NFC'));
  expect(password.parse('Grüße-aus-Köln'.normalize('NFD'))).toBe('Grüße-aus-Köln'.normalize('NFC'));
  expect(typedPassword.parse('ü'.normalize('NFD'))).toBe('ü'.normalize('NFC'));
});

test('measures a password in its composed form', () => {
  expect(password.safeParse('üüüüüüü'.normalize('NFD')).success).toBe(false);
  expect(password.safeParse('üüüüüüüü'.normalize('NFD')).success).toBe(true);
});
