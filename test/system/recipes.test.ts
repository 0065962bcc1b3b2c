import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';

// The README's recipes, each as a patch with the files that are edited by hand. They are applied to a copy of the product, in
// this order; the generated files are written, and the copy must pass its checks and tests.

jest.setTimeout(600_000);

const recipes = [
  { name: 'event-function', files: 4, test: 'functions/count-sales' },
  { name: 'http-function', files: 4, test: 'functions/rename-user' },
  { name: 'order-field', files: 5, test: 'functions/create-order' },
  { name: 'read-route', files: 2, test: 'test/contracts/documents' },
];

let copy: string;
beforeAll(() => {
  copy = path.join(realpathSync(mkdtempSync(path.join(tmpdir(), 'shop-recipes-'))), 'shop');
  const left = new Set(['node_modules', '.git', '.data', 'reports', 'coverage']);
  cpSync('.', copy, { recursive: true, filter: (file) => !left.has(file) });
  symlinkSync(path.resolve('node_modules'), path.join(copy, 'node_modules'));
});
afterAll(() => rmSync(path.dirname(copy), { recursive: true, force: true }));

/** Runs a program in the copy; its output is part of the error if it fails. */
function run(program: string, ...args: string[]): string {
  try {
    return execFileSync(program, args, { cwd: copy, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${program} ${args.join(' ')}:\n${stdout.slice(-6_000)}\n${stderr.slice(-6_000)}`, {
      cause: error,
    });
  }
}

test.each(recipes)('$name takes $files files', ({ name, files }) => {
  const patch = path.resolve(`test/system/recipes/${name}.patch`);
  expect(readFileSync(patch, 'utf8').match(/^diff --git /gm)).toHaveLength(files);
  run('git', 'apply', patch);
});

test('the copy with all of them passes its checks and tests', () => {
  for (const script of ['manifests', 'schema']) run('npm', 'run', script);
  run('npm', 'run', 'check');
  const patterns = [...recipes.map((recipe) => recipe.test), 'test/topology', 'test/manifests', 'database/rights'];
  expect(run('npm', 'test', '--', ...patterns)).toMatch(/^[1-9]\d* passed, 0 failed$/m);
});
