// func-hashes.ts IMAGE SETTINGS: prints a line per function: its name, whether it publishes events (yes or no), and a
// hash of everything that its deployment depends on, so that an unchanged function is not deployed again.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { functionNames } from '#local/functions.ts';

const [image = '', settings = ''] = process.argv.slice(2);
for (const name of functionNames) {
  const text = readFileSync(new URL(`../functions/${name}/func.yaml`, import.meta.url), 'utf8');
  const hash = createHash('sha256').update(`${text}\0${image}\0${settings}`).digest('hex').slice(0, 16);
  process.stdout.write(`${name} ${text.includes('key: shop/publishes') ? 'yes' : 'no'} ${hash}\n`);
}
