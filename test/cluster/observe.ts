// Runs Prometheus with knative/observe against a shop on a cluster, and causes what its alerts report.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import { uuidv7 } from 'uuidv7';
import { orderPlaced } from '#events/order-placed.ts';
import { runCollection } from '#local/newman.ts';
import { findTarget } from '#local/target.ts';
import { isOfTheCluster, namedIn, readDashboard } from '#test/support/observe.ts';
import { secondsSince, until } from '#test/support/until.ts';
import { hurried, readPodMonitors, readRuleGroups, scrapeConfigsOf } from './observe-config.ts';
import { newCustomer } from './observe-customer.ts';
import { grantsOf, type Fault } from './observe-faults.ts';
import { startPrometheus, type Prometheus, type Target } from './observe-prometheus.ts';

const help = `Starts Prometheus on the loopback with the scrape configuration and the rules that the Prometheus operator generates
from knative/observe, and checks on a running shop that

  - every instance of every function is scraped, once;
  - every rule is evaluated, and none fires while there is no fault;
  - the alerts fire when their cause occurs (rules with short times), and end when it is gone;
  - every query of the dashboard has data.

For a shop without customers: it revokes privileges, stops the mail server, and deletes dead letters and outbox rows. A
run takes 15 minutes.

  --peace         without faults
  --knative       with the metrics of Knative's own components, where they are enabled (docs/observability.md)

Needs kubectl, Prometheus, and a machine that reaches pods by their addresses, such as the cluster's node. Settings
(environment): KUBECONFIG; SHOP_NAMESPACE shop; PROMETHEUS prometheus, the binary; and where the shop is, as for
npm run newman: BASE_URL, HOST_HEADER, ADMIN_PASSWORD.
`;

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', short: 'h' },
    peace: { type: 'boolean' },
    knative: { type: 'boolean' },
  },
});
if (values.help) {
  process.stdout.write(help);
  process.exit(0);
}

const namespace = process.env['SHOP_NAMESPACE'] || 'shop';
const kubeconfig = process.env['KUBECONFIG'] || `${process.env['HOME']}/.kube/config`;
const target = findTarget();
const began = Date.now();
const kubectl = async (...args: string[]) => (await promisify(execFile)('kubectl', args)).stdout;
const inShop = (...args: string[]) => kubectl('-n', namespace, ...args);
const psql = ['exec', 'postgres-0', '--', 'psql', '-U', 'shop', '-d', 'shop', '-v', 'ON_ERROR_STOP=1', '-qAt'];
const sql = async (...statements: string[]) =>
  (await inShop(...psql, ...statements.flatMap((statement) => ['-c', statement]))).trim();

let failed = 0;
function say(what: string, wrong: string[] = []): void {
  if (wrong.length > 0) failed += 1;
  const lines = wrong.map((line) => `\n      ${line}`).join('');
  process.stdout.write(`${secondsSince(began).padStart(8)}  ${wrong.length > 0 ? 'FAILED ' : ''}${what}${lines}\n`);
}

const monitors = [
  ...readPodMonitors(namespace),
  ...(values.knative ? readPodMonitors(namespace, 'knative/observe/knative/pod-monitor.yaml') : []),
];
const jobsOfShop = new Set(['functions', 'storefront'].map((name) => `${namespace}/${name}`));
const isOfShop = ({ labels }: Target) => jobsOfShop.has(labels['job'] ?? '');

interface Pod {
  metadata: { name: string; deletionTimestamp?: string };
}

/** What is wrong with the targets of Prometheus; empty once each running instance is scraped once. */
async function wrongWithTargets(prometheus: Prometheus): Promise<string[]> {
  const select = ['-l', 'serving.knative.dev/service', '--field-selector=status.phase=Running'];
  const { items } = JSON.parse(await inShop('get', 'pod', ...select, '-o', 'json')) as { items: Pod[] };
  const pods = items.filter(({ metadata }) => !metadata.deletionTimestamp).map(({ metadata }) => metadata.name);
  const targets = await prometheus.targets();
  const podOf = ({ labels }: Target) => labels['pod'] ?? '';
  return [
    ...monitors
      .filter(({ metadata: { name } }) => !targets.some(({ labels }) => labels['job'] === `${namespace}/${name}`))
      .map(({ metadata: { name } }) => `the PodMonitor ${name} selects nothing`),
    ...pods.flatMap((pod) => {
      const its = targets.filter((one) => isOfShop(one) && podOf(one) === pod);
      return its.length === 1 ? [] : [`${pod} is scraped ${its.length} times`];
    }),
    ...targets
      // an instance that is terminating is not a fault
      .filter((one) => one.health !== 'up' && (one.labels['namespace'] !== namespace || pods.includes(podOf(one))))
      .map((one) => `${podOf(one)} ${one.scrapeUrl} is ${one.health}: ${one.lastError}`),
  ];
}

/** The alerts that have fired since this time. */
async function fired(prometheus: Prometheus, since: number): Promise<string[]> {
  const series = await prometheus.range('ALERTS{alertstate="firing"}', since);
  return series.map(({ metric }) => JSON.stringify(metric));
}

async function peace(prometheus: Prometheus): Promise<void> {
  await until('every instance is scraped', async () => {
    const wrong = await wrongWithTargets(prometheus);
    if (wrong.length > 0) throw new Error(wrong.join('; '));
    return true;
  });
  const since = Date.now();
  // a rate needs a second run
  for (let run = 1; run <= 2; run += 1) {
    const { failures, passed } = await runCollection({ target, say: () => undefined });
    say(
      `the Postman collection: ${passed} checks`,
      failures.map(({ where, message }) => `${where}: ${message}`),
    );
    await pause(25_000);
  }
  const up = (await prometheus.targets()).filter(({ health }) => health === 'up');
  say(`every instance is scraped once: ${up.length} targets`, await wrongWithTargets(prometheus));
  const rules = await prometheus.rules();
  say(
    `${rules.length} rules are evaluated`,
    rules
      .filter(({ health }) => health !== 'ok')
      .map(({ name, health, lastError }) => `${name}: ${health} ${lastError}`),
  );
  say('no alert fires without a fault', await fired(prometheus, since));
}

/** The queries of the dashboard that have no data in the whole run. */
async function wrongWithDashboard(prometheus: Prometheus): Promise<string[]> {
  const wrong: string[] = [];
  for (const { where, expr } of readDashboard(namespace)) {
    if (!values.knative && namedIn(expr).some(isOfTheCluster)) continue;
    const series = await prometheus.range(expr, began);
    const hasData = series.some(({ values: samples }) => samples.some(([, value]) => Number.isFinite(Number(value))));
    if (!hasData) wrong.push(`${where}: nothing for ${expr}`);
  }
  return wrong;
}

/** Forwards a port of the Broker's ingress to this machine while `work` runs. */
async function withBroker(work: (url: string) => Promise<void>): Promise<void> {
  const child = spawn('kubectl', [
    '-n',
    'knative-eventing',
    'port-forward',
    '--address=127.0.0.1',
    'service/broker-ingress',
    ':80',
  ]);
  try {
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    const port = /127\.0\.0\.1:(\d+)/.exec(line)?.[1];
    if (port === undefined) throw new Error(`the Broker's port was not forwarded: ${line}`);
    await work(`http://127.0.0.1:${port}/${namespace}/default`);
  } finally {
    child.kill();
  }
}

/** Posts an event for an order that does not exist: signed by the shop it is refused, otherwise it is forged. */
async function postEvents(): Promise<void> {
  const keys = await inShop('get', 'secret', 'event-keys', '-o', 'jsonpath={.data.keys}');
  process.env['EVENT_KEYS'] = Buffer.from(keys, 'base64').toString();
  const { eventOf, postRaw } = await import('#test/support/events.ts');
  const { encodeEvent } = await import('#platform/events/event-codec.ts');
  await withBroker(async (brokerUrl) => {
    for (const changes of [{}, { signature: 'untrusted.none' }]) {
      const event = eventOf(orderPlaced, { orderId: uuidv7(), userId: uuidv7() });
      const { headers, body } = encodeEvent({ ...event, ...changes });
      const status = await postRaw({ brokerUrl }, headers, String(body));
      if (status !== 202) throw new Error(`the Broker returned ${status}`);
    }
  });
}

/** Orders every two seconds while `work` runs: few enough per customer that each order gets a separate mail. */
async function whileOrdering(work: () => Promise<void>): Promise<void> {
  let isOver = false;
  const ordering = (async () => {
    while (!isOver) {
      const customer = await newCustomer(target);
      for (let count = 1; !isOver && count <= 10; count += 1) {
        await customer.order();
        await pause(2_000);
      }
    }
  })();
  try {
    await work();
  } finally {
    isOver = true;
    await ordering;
  }
}

async function placeOrders(count: number): Promise<void> {
  const customer = await newCustomer(target);
  for (let one = 1; one <= count; one += 1) await customer.order();
}

const minScaleOfStorefront = async (instances: string) => {
  const annotations = { 'autoscaling.knative.dev/min-scale': instances };
  await inShop(
    'patch',
    'ksvc',
    'storefront',
    '--type=merge',
    '-p',
    JSON.stringify({ spec: { template: { metadata: { annotations } } } }),
  );
};

const deny = (role: string): Pick<Fault, 'cause' | 'undo'> => ({
  cause: async () => void (await sql(`revoke all on table ordering.orders from ${role}`)),
  undo: async () => void (await sql(grantsOf(role, 'ordering.orders'))),
});

const lockers = `select pid from pg_stat_activity where query = 'select pg_sleep(600)'`;

const faults: Fault[] = [
  {
    name: 'the mail server is down, and two events become dead letters',
    alerts: ['MailsHeldBack', 'MailsWait', 'DeadLetters', 'ForgedEvents'],
    cause: async () => {
      await inShop('scale', 'deployment', 'mail-catcher', '--replicas=0');
      await postEvents();
    },
    meanwhile: whileOrdering,
    undo: async () => {
      await inShop('scale', 'deployment', 'mail-catcher', '--replicas=1');
      await sql('delete from events.dead_letters');
    },
  },
  {
    name: 'settle-order may not write, and its chains are deleted from the outbox',
    alerts: ['EventsUnavailable', 'RetriesExhausted', 'OrdersUndecided', 'ChainsReopened'],
    cause: async () => {
      await deny('shop_settle_order').cause();
      await placeOrders(12);
      await pause(5_000);
      await sql(`delete from events.outbox where id in (select id from events.outbox order by id limit 2)`);
    },
    undo: deny('shop_settle_order').undo,
  },
  {
    name: 'a table that charge-account writes is locked',
    alerts: ['EventsSlow'],
    cause: async () => {
      const statements = ['begin', 'lock table billing.charges in access exclusive mode', 'select pg_sleep(600)'];
      void sql(...statements).catch(() => undefined); // ends when it is terminated
      await until('the table is locked', async () => (await sql(lockers)) !== '');
    },
    meanwhile: whileOrdering,
    undo: async () => void (await sql(`select pg_terminate_backend(pid) from (${lockers}) as lockers`)),
  },
  {
    name: 'create-order may not write',
    alerts: ['GatewayFails'],
    ...deny('shop_create_order'),
    meanwhile: whileOrdering,
  },
  {
    name: 'the storefront may scale to zero',
    alerts: ['FunctionAway'],
    cause: () => minScaleOfStorefront('0'),
    undo: () => minScaleOfStorefront('1'),
  },
];

const isFiring = async (prometheus: Prometheus, alert: string) =>
  (await prometheus.rules()).some(
    ({ name, labels, state }) => name === alert && labels['hurried'] && state === 'firing',
  );

/** Ends the current fault if the program is stopped during it. */
let undoing: Fault['undo'] | undefined;

async function run(
  prometheus: Prometheus,
  { name, alerts, cause, meanwhile = (work) => work(), undo }: Fault,
): Promise<void> {
  say(name);
  const caused = Date.now();
  const wrong: string[] = [];
  undoing = undo;
  try {
    await cause();
    await meanwhile(async () => {
      await Promise.all(
        alerts.map((alert) =>
          until(`${alert} fires`, () => isFiring(prometheus, alert), 300_000).then(
            () => say(`  ${alert} fires after ${secondsSince(caused)}`),
            (error: Error) => wrong.push(error.message),
          ),
        ),
      );
    });
  } finally {
    undoing = undefined;
    await undo();
  }
  for (const line of wrong) say('  ', [line]);
}

async function main(): Promise<void> {
  const groups = readRuleGroups(namespace);
  const prometheus = await startPrometheus(
    process.env['PROMETHEUS'] || 'prometheus',
    monitors.flatMap((monitor) => scrapeConfigsOf(monitor, kubeconfig)),
    [...groups, ...hurried(groups)],
  );
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void Promise.allSettled([undoing?.(), prometheus.stop()]).then(() => process.exit(1)));
  }
  try {
    say(`${prometheus.url} scrapes the shop in ${namespace}`);
    await peace(prometheus);
    if (!values.peace) {
      for (const fault of faults) await run(prometheus, fault);
      // only those with short times: the others cover a quarter of an hour
      await until(
        'no alert is firing',
        async () => !(await prometheus.rules()).some(({ labels, state }) => labels['hurried'] && state === 'firing'),
        300_000,
      ).then(
        () => say('no alert is firing after the faults'),
        (error: Error) => say('alerts end', [error.message]),
      );
      say('every query of the dashboard has data', await wrongWithDashboard(prometheus));
    }
  } finally {
    await prometheus.stop();
  }
  process.stdout.write(failed > 0 ? `${failed} failed\n` : 'all checks passed\n');
  process.exitCode = failed > 0 ? 1 : 0;
}

await main();
