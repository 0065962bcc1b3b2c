import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';

interface Entry {
  resolved?: string;
  optionalDependencies?: Record<string, string>;
}

const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as { packages: Record<string, Entry> };

test('the lock file names no registry', () => {
  expect(Object.keys(packages).filter((name) => packages[name]?.resolved !== undefined)).toEqual([]);
});

test('the lock file holds the packages of every platform, without which "npm ci" refuses to run', () => {
  const wanted = Object.entries(packages).flatMap(([name, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).map((dependency) => [
      `${name}/node_modules/${dependency}`,
      `node_modules/${dependency}`,
    ]),
  );
  expect(wanted.filter((places) => !places.some((place) => place in packages))).toEqual([]);
});
