// npm run test:cluster, by ./shop.sh faults: what can only be seen on a cluster.
import { parseArgs } from 'node:util';
import { tellAddressesApart } from './addresses.ts';
import { deleteByForce, groups, places } from './forced-deletes.ts';
import { scaleUnderLoad } from './scale.ts';

const help = `Checks that callers are told apart whatever headers they forge, and that a second instance starts under load; and
deletes pods by force (--grace-period=0 --force) in the middle of orders, cancels, deposits and registrations: of
each function, of the broker and of Postgres in turn. Then every order that was answered with 202 has to be there,
decided, charged once and told once. For a shop without customers: it registers its own.

  ./shop.sh faults           everything, Postgres ten times
  npm run test:cluster -- --only addresses,postgres,broker --rounds 3

  --only NAMES    addresses, scale, postgres, broker, or functions by their names, with commas
  --rounds N      how often pods are deleted
`;

const { values } = parseArgs({
  options: { help: { type: 'boolean', short: 'h' }, only: { type: 'string' }, rounds: { type: 'string' } },
});
if (values.help) {
  process.stdout.write(help);
  process.exit(0);
}

const say = (line: string) => process.stdout.write(`${line}\n`);

const once: Record<string, () => Promise<string>> = { addresses: tellAddressesApart, scale: scaleUnderLoad };
const names = [...Object.keys(once), ...Object.keys(places)];
const wanted = values.only?.split(',').flatMap((name) => groups[name] ?? [name]) ?? names;
const unknown = wanted.filter((name) => !names.includes(name));
if (unknown.length > 0) {
  process.stderr.write(`There is no ${unknown.join(', ')}: ${[...Object.keys(groups), ...names].join(', ')}\n`);
  process.exit(2);
}
let failed = 0;
let passed = 0;
for (const name of wanted) {
  const check = once[name] ?? (() => deleteByForce(name));
  const rounds = once[name] ? 1 : Number(values.rounds ?? (name === 'postgres' ? 10 : 1));
  for (let time = 1; time <= rounds; time += 1) {
    try {
      say(`${name.padEnd(18)} ${await check()}`);
      passed += 1;
    } catch (error) {
      failed += 1;
      say(`${name.padEnd(18)} FAILED\n${(error as Error).message}`);
    }
  }
}
say(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
