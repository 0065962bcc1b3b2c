// npm run test:cluster, called by ./shop.sh faults: checks that need a cluster.
import { parseArgs } from 'node:util';

const help = `Checks that callers are limited by their addresses, whatever headers they forge, and that a second instance starts under
load; and deletes pods by force (--grace-period=0 --force) during orders, cancels, deposits and registrations: those of
each function, of the broker and of Postgres in turn. Then every order that was accepted with 202 must exist, settled,
charged once and notified once. For a shop without customers: it registers its own.

  ./shop.sh faults           everything, Postgres ten times
  npm run test:cluster -- --only addresses,postgres,broker --rounds 3

  --only NAMES    addresses, scale, postgres, broker, or names of functions, separated by commas
  --rounds N      how many times the pods of each target are deleted
`;

const { values } = parseArgs({
  options: { help: { type: 'boolean', short: 'h' }, only: { type: 'string' }, rounds: { type: 'string' } },
});
if (values.help) {
  process.stdout.write(help);
  process.exit(0);
}

// after --help, which needs no cluster
const { limitByAddress } = await import('./addresses.ts');
const { deleteByForce, groups, places } = await import('./forced-deletes.ts');
const { scaleUnderLoad } = await import('./scale.ts');

const say = (line: string) => process.stdout.write(`${line}\n`);

const once: Record<string, () => Promise<string>> = { addresses: limitByAddress, scale: scaleUnderLoad };
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
