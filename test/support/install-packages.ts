import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';

/**
 * Installs the packages of a folder with its own package-lock.json, unless they are up to date. Such tools are rarely used
 * and not part of the shop's install. Throws if npm fails.
 */
export function installPackages(folder: string, say: (line: string) => void): void {
  const installed = path.join(folder, 'node_modules', '.package-lock.json');
  const lockFile = path.join(folder, 'package-lock.json');
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lockFile).mtimeMs) return;
  say(`installing the packages of ${path.relative('', folder)} (once)`);
  // npm's output is progress: standard output is for results
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: folder, stdio: ['ignore', 2, 2] });
  if (status !== 0) throw new Error(`The packages of ${path.relative('', folder)} could not be installed (npm ci).`);
}
