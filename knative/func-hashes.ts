// func-hashes.ts IMAGE SETTINGS: prints a line for each function: its name, whether it publishes events (yes or no), and a
// hash of all that its deployment depends on, so that what is deployed already stays as it is.
import { createHash } from 'node:crypto';
import { functionNames } from '#local/functions.ts';
import { funcYamlOf } from './func-yaml.ts';

const [image = '', settings = ''] = process.argv.slice(2);
for (const name of functionNames) {
  const text = JSON.stringify(funcYamlOf(name));
  const hash = createHash('sha256').update(`${text}\0${image}\0${settings}`).digest('hex').slice(0, 16);
  process.stdout.write(`${name} ${text.includes('"shop/publishes"') ? 'yes' : 'no'} ${hash}\n`);
}
