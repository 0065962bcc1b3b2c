import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { promises } from '../docs/promises.ts';
import { renderPromises } from '../docs/render-promises.ts';

test('every promise has a test, and docs/promises.md names them all', () => {
  expect(readFileSync('docs/promises.md', 'utf8')).toBe(renderPromises()); // otherwise: npm run promises
});

test('every risk of the OWASP API Security Top 10 (2023) has its promise', () => {
  const risks = Object.values(promises).flatMap((section) => Object.values(section));
  const numbers = risks.flatMap((sentence) => /^API(\d+) /.exec(sentence)?.[1] ?? []);
  expect(numbers).toEqual(Array.from({ length: 10 }, (_, index) => String(index + 1)));
});
