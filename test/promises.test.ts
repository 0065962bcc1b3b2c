import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';

const lines = readFileSync('docs/promises.md', 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !/^\| (promise|-+) /.test(line));
const promises = lines.map((line) => ({
  promise: line.slice(2, line.indexOf(' |')).trim(),
  proofs: [...line.matchAll(/`([\w./-]+) › ([^`]+)`/g)].map(([, file = '', name = '']) => ({ file, name })),
}));

/** The names of the tests, or of the requests of a Postman collection, in a file as they are written there. */
function namesIn(file: string): string[] {
  if (!existsSync(file)) return [];
  const pattern = file.endsWith('.json')
    ? /"name": "([^"]+)"/g
    : /(?:\btest|^ *\]\)|^ *\] as [^\n]*\)|\btest\.each\([^\n]*\))\(\s*'([^'\n]+)'/gm;
  return [...readFileSync(file, 'utf8').matchAll(pattern)].map(([, name = '']) => name);
}

test.each(promises)('$promise', ({ proofs }) => {
  expect(proofs.length).toBeGreaterThan(0);
  for (const { file, name } of proofs) expect([file, namesIn(file)]).toEqual([file, expect.arrayContaining([name])]);
});

test('every risk of the OWASP API Security Top 10 (2023) has its promise', () => {
  const risks = promises.flatMap(({ promise }) => /^API(\d+) /.exec(promise)?.[1] ?? []);
  expect(risks).toEqual(Array.from({ length: 10 }, (_, index) => String(index + 1)));
});
