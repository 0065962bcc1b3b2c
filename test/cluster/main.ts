// npm run test:cluster, called by ./shop.sh faults: checks that need a cluster.
import { parseArgs } from 'node:util';
import type { RowResult } from './table.ts';

const help = `Checks that callers are limited by their addresses, whatever headers they forge, and that a second instance starts under
load. Then it deletes pods by force (--grace-period=0 --force) while customers order in open loop: those of Postgres, the
broker and the functions. Each row of the table is repeated; after each repetition, every accepted order must exist, be
settled, charged once and notified once, within the time of the row. For a shop without customers: it registers its own.

  ./shop.sh faults                              everything
  ./shop.sh faults --times 1 --only broker      the rows whose names contain "broker", once

  --only TEXT       addresses, scale, or the rows whose names contain it
  --times N         repetitions of each row (10)
  --rate N          orders a second (20)
  --customers N     customers that order, in turn (20)

Settings (environment) of pods that are not the shop's: namespace and selector of the broker's nodes
(BROKER_NODES_NAMESPACE nats-io, BROKER_NODES_SELECTOR app=nats), of the channel's dispatchers (DISPATCHER_NAMESPACE,
DISPATCHER_SELECTOR) and of the broker's ingress and filter (RECEIVER_NAMESPACE, RECEIVER_SELECTOR).
Ctrl-C lifts the fault and prints the table so far. Exits with 1 if a row broke a promise.
`;

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', short: 'h' },
    only: { type: 'string', default: '' },
    times: { type: 'string', default: '10' },
    rate: { type: 'string', default: '20' },
    customers: { type: 'string', default: '20' },
  },
});
if (values.help) {
  process.stdout.write(help);
  process.exit(0);
}
const wholeNumber = (name: 'times' | 'rate' | 'customers'): number => {
  const value = Number(values[name]);
  if (!Number.isInteger(value) || value < 1 || value > 1_000) {
    process.stderr.write(`--${name} has to be a whole number from 1 to 1000.\n`);
    process.exit(2);
  }
  return value;
};
const times = wholeNumber('times');
const load = { rate: wholeNumber('rate'), customers: wholeNumber('customers') };

// after --help, which needs no cluster
const { limitByAddress } = await import('./addresses.ts');
const { rows } = await import('./rows.ts');
const { runRow } = await import('./run-row.ts');
const { scaleUnderLoad } = await import('./scale.ts');
const { hasFailed, tableOf } = await import('./table.ts');
const { undoAll } = await import('./undo.ts');

const say = (line: string) => process.stdout.write(`${line}\n`);
const matches = (name: string) => name.toLowerCase().includes(values.only.toLowerCase());

const checks = Object.entries({ addresses: limitByAddress, scale: scaleUnderLoad }).filter(([name]) => matches(name));
const wanted = rows.filter(({ name }) => matches(name));
if (checks.length + wanted.length === 0) {
  process.stderr.write(
    `Nothing is called ${values.only}: addresses, scale, ${rows.map(({ name }) => name).join(', ')}\n`,
  );
  process.exit(2);
}

const results: RowResult[] = [];
const printTable = () => {
  if (results.length > 0) say(`\n${tableOf(results)}`);
};

let interrupted = false;
const interrupt = async (code: number) => {
  if (interrupted) return;
  interrupted = true;
  await undoAll().catch((error: Error) => say(`NOT UNDONE: ${error.message}`));
  printTable();
  process.exit(code);
};
process.on('SIGINT', () => void interrupt(130));
process.on('SIGTERM', () => void interrupt(143));

let failed = 0;
for (const [name, check] of checks) {
  try {
    say(`${name}: ${await check()}`);
  } catch (error) {
    failed += 1;
    say(`${name}: FAILED\n${(error as Error).message}`);
  }
}
for (const row of wanted) {
  const reason = await row.skipped();
  if (reason !== undefined) {
    say(`${row.name}: skipped, ${reason}`);
    continue;
  }
  const result: RowResult = { row, outcomes: [], problems: [] };
  results.push(result);
  await runRow(result, times, load, say);
}
printTable();
failed += results.filter(hasFailed).length;
say(failed > 0 ? `\n${failed} failed` : '\nEverything held.');
process.exitCode = failed > 0 ? 1 : 0;
