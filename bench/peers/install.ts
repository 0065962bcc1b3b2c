import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('.', import.meta.url));

/** Installs what package-lock.json of this folder names, unless that has been done. Throws if it cannot. */
export function installPeers(say: (line: string) => void): void {
  const installed = `${folder}node_modules/.package-lock.json`;
  const wanted = `${folder}package-lock.json`;
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(wanted).mtimeMs) return;
  say('installing the packages of the peers (once)');
  // npm's own words are progress; standard output is for the table
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: folder, stdio: ['ignore', 2, 2] });
  if (status !== 0) throw new Error('The packages of the peers could not be installed (npm ci in bench/peers).');
}
