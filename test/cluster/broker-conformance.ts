import { execFileSync } from 'node:child_process';
import { networkInterfaces } from 'node:os';
import { parseArgs } from 'node:util';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { differencesOf, manifestsOf, serveSubscribers, type Place } from '#local/broker/conformance-run.ts';
import { scenarios as allScenarios, type Case } from '#local/broker/conformance.ts';
import { programSettings, wholeNumber } from '#platform/runtime/settings.ts';

// Checks that the default broker of a Knative cluster behaves as local/broker/conformance.ts defines, case by case:
//
//   BROKER_URL=http://<address of broker-ingress> node test/cluster/broker-conformance.ts
//
// kubectl must reach the cluster, where it creates and deletes a namespace. The subscribers run here: SUBSCRIBER_HOST
// must be an address of this machine that pods can reach. --only <text> selects scenarios whose names contain it.
// --crash-dispatcher also runs the cases that crash the dispatcher, and lose every delivery in flight on the cluster.

const CASES_AT_ONCE = 4;

const {
  BROKER_URL,
  SUBSCRIBER_HOST,
  SUBSCRIBER_PORT,
  CONFORMANCE_NAMESPACE: namespace,
} = programSettings({
  BROKER_URL: z.url({ protocol: /^http$/ }),
  SUBSCRIBER_HOST: z.string().default(ownAddress),
  SUBSCRIBER_PORT: wholeNumber(0, 65_535).default(0),
  CONFORMANCE_NAMESPACE: z.string().default('broker-conformance'),
});
const { values: options } = parseArgs({
  options: { 'crash-dispatcher': { type: 'boolean', default: false }, only: { type: 'string', default: '' } },
});
const scenarios = allScenarios.filter(({ name }) => name.includes(options.only));

const subscribers = await serveSubscribers('0.0.0.0', SUBSCRIBER_PORT);
// port 1 refuses connections
const addressOf = (name: string) =>
  `http://${SUBSCRIBER_HOST}:${name === 'unreachable' ? 1 : subscribers.port}/${name}`;
const brokerOf = (index: number) => `broker${index}`;

let different = 0;
kubectl(['create', 'namespace', namespace]);
try {
  const manifests = scenarios.flatMap((scenario, index) =>
    manifestsOf(scenario, { namespace, broker: brokerOf(index) }, (name) => ({ uri: addressOf(name) })),
  );
  kubectl(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: manifests }));
  kubectl(['wait', '-n', namespace, '--for=condition=Ready', 'brokers,triggers', '--all', '--timeout=300s']);
  await delay(2_000);
  for (const [index, { name, cases }] of scenarios.entries()) {
    process.stdout.write(`\n${name}\n`);
    const harmless = cases.filter(({ crashesDispatcher }) => !crashesDispatcher);
    for (let first = 0; first < harmless.length; first += CASES_AT_ONCE) {
      await Promise.all(harmless.slice(first, first + CASES_AT_ONCE).map((one) => run(one, index, cases)));
    }
  }
  if (options['crash-dispatcher']) {
    process.stdout.write('\ncases that crash the dispatcher\n');
    for (const [index, { cases }] of scenarios.entries()) {
      for (const one of cases.filter(({ crashesDispatcher }) => crashesDispatcher)) await run(one, index, cases);
    }
  }
} finally {
  kubectl(['delete', 'namespace', namespace, '--wait=false']);
  subscribers.close();
}
process.stdout.write(different === 0 ? '\nall cases match\n' : `\n${different} cases differ\n`);
process.exit(different === 0 ? 0 : 1);

async function run(one: Case, index: number, cases: Case[]): Promise<void> {
  const place: Place = { ingressUrl: BROKER_URL, namespace, broker: brokerOf(index), addressOf, subscribers };
  const differences = await differencesOf(one, one, `${index}.${cases.indexOf(one)}`, place);
  if (differences.length > 0) different += 1;
  process.stdout.write(`${differences.length > 0 ? 'different' : 'ok       '} ${one.name}\n`);
  for (const difference of differences) process.stdout.write(`          ${difference}\n`);
}

function kubectl(args: string[], input = ''): void {
  execFileSync('kubectl', args, { input, stdio: ['pipe', 'ignore', 'inherit'] });
}

function ownAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((found) => found ?? []);
  const own = addresses.find(({ family, internal }) => family === 'IPv4' && !internal);
  if (!own) throw new Error('this machine has only a loopback address: set SUBSCRIBER_HOST');
  return own.address;
}
