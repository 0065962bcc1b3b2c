// func-hashes.ts IMAGE SETTINGS: prints a line per function: its name, whether it publishes events (yes or no), and a
// hash of everything that its deployment depends on, so that an unchanged function is not deployed again.
import { createHash } from 'node:crypto';
import { functionNames } from '#local/functions.ts';
import { funcYamlOf } from './func-yaml.ts';

const [image = '', settings = ''] = process.argv.slice(2);
for (const name of functionNames) {
  const text = JSON.stringify(funcYamlOf(name));
  const hash = createHash('sha256').update(`${text}\0${image}\0${settings}`).digest('hex').slice(0, 16);
  process.stdout.write(`${name} ${text.includes('"shop/publishes"') ? 'yes' : 'no'} ${hash}\n`);
}
