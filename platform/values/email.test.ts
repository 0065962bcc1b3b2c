import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { email } from '#platform/values/email.ts';

test.each([
  'r&d@example.com',
  'unit/7@example.com',
  'bang!@example.com',
  'a=b@example.com',
  "!#$%&'*+/=?^_`{|}~-@example.com",
  'ivan@xn--e1afmkfd.xn--p1ai',
  'a.b@x.co',
  'a@1.example.com',
  `${'x'.repeat(64)}@${'y'.repeat(63)}.com`,
])('accepts %s unchanged', (address) => {
  expect(email.parse(address)).toBe(address);
});

test.each([
  ['Ann.Miller@Example.COM', 'ann.miller@example.com'],
  ['ivan@пример.рф', 'ivan@xn--e1afmkfd.xn--p1ai'],
  ['ivan@ПРИМЕР.РФ', 'ivan@xn--e1afmkfd.xn--p1ai'],
  ['ivan@XN--E1AFMKFD.xn--p1ai', 'ivan@xn--e1afmkfd.xn--p1ai'],
  ['ann@MÜNCHEN.de'.normalize('NFD'), 'ann@xn--mnchen-3ya.de'],
  ['ann@例え。jp', 'ann@xn--r8jz45g.jp'],
])('normalises %s to %s', (address, normalized) => {
  expect(email.parse(address)).toBe(normalized);
});

test.each([
  '',
  'ann',
  '@example.com',
  'ann@',
  '.ann@example.com',
  'ann.@example.com',
  'a..n@example.com',
  'a@b@example.com',
  'a n@example.com',
  'ann@example',
  'ann@example.com.',
  'ann@.example.com',
  'ann@ex..com',
  'ann@-ex.com',
  'ann@ex-.com',
  'ann@a_b.com',
  'ann@127.0.0.1',
  'ann@0x7f.1',
  'ann@１.２.３.４',
  'ann@[127.0.0.1]',
  'ann@ex%61mple.com',
  'ann@example.com/x',
  'ann@example.com:25',
  'ann@℀.com',
  '"ann"@example.com',
  'ann,bob@example.com',
  'Ann <ann@example.com>',
  '=?utf-8?q?ann=40example.com?=@example.org',
  'x=?iso-8859-1?B?YW5u?=y@example.com',
  'ann@example.com\n',
  'ann\r\nbcc:x@example.com',
  'ann@exa\0mple.com',
  'ann@\ud800.com',
  `${'x'.repeat(65)}@example.com`,
  `ann@${'y'.repeat(64)}.com`,
  `ann@${'y.'.repeat(130)}com`,
  7,
  null,
])('refuses %j', (address) => {
  expect(email.safeParse(address).success).toBe(false);
});

test('refuses a local part beyond ASCII with a message that says so', () => {
  for (const address of ['grüße@example.com', 'иван@пример.рф']) {
    expect(email.safeParse(address).error?.issues[0]?.message).toBe('must have only ASCII characters before the @');
  }
});

// promise: email-addresses
test('accepts every unquoted address of RFC 5322, and normalises it only once', () => {
  fc.assert(
    fc.property(fc.emailAddress(), (address) => {
      fc.pre(address.length <= 254);
      const normalized = email.parse(address);
      expect(normalized).toBe(address.toLowerCase());
      expect(email.parse(normalized)).toBe(normalized);
    }),
    { numRuns: 1_000 },
  );
});
