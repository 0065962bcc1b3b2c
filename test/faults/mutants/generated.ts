import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { installPackages } from '#test/support/install-packages.ts';

// npm run mutants:generated: Stryker makes every small change it knows in the modules of money and events, and the
// tests of these modules must fail. stryker/stryker.config.json has its settings and the score that must be reached.
// Exits with 1 if too many mutants survive.

const folder = fileURLToPath(new URL('stryker/', import.meta.url));
const root = fileURLToPath(new URL('../../..', import.meta.url));

installPackages(folder, (line) => process.stderr.write(`${line}\n`));
const stryker = path.join(folder, 'node_modules', '@stryker-mutator', 'core', 'bin', 'stryker.js');
const { status } = spawnSync(process.execPath, [stryker, 'run', path.join(folder, 'stryker.config.json')], {
  cwd: root,
  stdio: 'inherit',
});
process.exit(status ?? 1);
