import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';

/**
 * Installs what package-lock.json of a folder names, unless that has been done: tools that only some need are no part
 * of the shop's install. Throws if it cannot.
 */
export function installPackages(folder: string, say: (line: string) => void): void {
  const installed = path.join(folder, 'node_modules', '.package-lock.json');
  const wanted = path.join(folder, 'package-lock.json');
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(wanted).mtimeMs) return;
  say(`installing the packages of ${path.relative('', folder)} (once)`);
  // npm's own words are progress; standard output is for the table
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: folder, stdio: ['ignore', 2, 2] });
  if (status !== 0) throw new Error(`The packages of ${path.relative('', folder)} could not be installed (npm ci).`);
}
