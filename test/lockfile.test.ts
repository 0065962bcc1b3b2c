import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';

interface Entry {
  resolved?: string;
  optionalDependencies?: Record<string, string>;
}

const lockFiles = ['package-lock.json', 'bench/peers/package-lock.json'];

const packagesOf = (lockFile: string) =>
  (JSON.parse(readFileSync(lockFile, 'utf8')) as { packages: Record<string, Entry> }).packages;

test.each(lockFiles)('%s names no registry', (lockFile) => {
  const packages = packagesOf(lockFile);
  expect(Object.keys(packages).filter((name) => packages[name]?.resolved !== undefined)).toEqual([]);
});

test.each(lockFiles)('%s has the packages of every platform: "npm ci" fails without them', (lockFile) => {
  const packages = packagesOf(lockFile);
  const optional = Object.entries(packages).flatMap(([name, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).map((dependency) => [
      `${name}/node_modules/${dependency}`,
      `node_modules/${dependency}`,
    ]),
  );
  expect(optional.filter((places) => !places.some((place) => place in packages))).toEqual([]);
});
