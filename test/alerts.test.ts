import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { funcYamlOf } from '#knative/func-yaml.ts';
import { parse, stringify } from 'yaml';
import { readPodMonitors, readRuleGroups, scrapeConfigsOf } from './cluster/observe-config.ts';
import { namedIn, readDashboard, readRules, ruleTests } from './support/observe.ts';

// metrics of the shop, of Node, of Knative's components, and of the kubelet for volumes
const known = /^(shop_|nodejs_|process_|kn_(eventing|revision|serving)_|kubelet_volume_stats_)[a-z0-9_]+$/;

test.each([...readRules(), ...readDashboard()])('$where is valid PromQL and names known metrics', ({ expr }) => {
  const names = namedIn(expr);
  expect(names).not.toEqual([]);
  for (const name of names) expect(name).toMatch(known);
});

test.each(['rate(shop_orders_total[5m]', 'sum by function (shop_orders_total)', 'shop_orders_total >'])(
  'invalid PromQL is reported: %s',
  (expr) => {
    expect(() => namedIn(expr)).toThrow('not PromQL');
  },
);

test.each(readRules())('$where is explained in docs/observability.md', ({ where }) => {
  expect(readFileSync('docs/observability.md', 'utf8')).toContain(`\`${where}\``);
});

test.each(readRules())('$where has a unit test in which it fires, and one in which it does not', ({ where }) => {
  const { tests } = parse(readFileSync(ruleTests, 'utf8')) as {
    tests: { alert_rule_test: { alertname: string; exp_alerts: unknown[] }[] }[];
  };
  const cases = tests.flatMap(({ alert_rule_test: of }) => of.filter(({ alertname }) => alertname === where));
  expect(cases.filter(({ exp_alerts: fired }) => fired.length > 0)).not.toEqual([]);
  expect(cases.filter(({ exp_alerts: fired }) => fired.length === 0)).not.toEqual([]);
});

const hasPromtool = spawnSync('promtool', ['--version']).status === 0;
const promtool = hasPromtool ? test : test.skip;
const note = hasPromtool ? '' : ' (skipped: no promtool; apt-get install prometheus)';

promtool(`every alert fires when its cause occurs, and not before${note}`, () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'shop-alerts-'));
  try {
    writeFileSync(path.join(dir, 'rules.yml'), stringify({ groups: readRuleGroups() }));
    writeFileSync(path.join(dir, 'tests.yml'), readFileSync(ruleTests));
    const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', path.join(dir, 'tests.yml')], {
      encoding: 'utf8',
    });
    expect({ status, output: status === 0 ? '' : stdout + stderr }).toEqual({ status: 0, output: '' });
  } finally {
    rmSync(dir, { recursive: true });
  }
});

/** Relabels as Prometheus does, as far as the PodMonitors need it; returns the labels, or undefined for a dropped target. */
function relabel(
  configs: Record<string, unknown>[],
  given: Record<string, string>,
): Record<string, string> | undefined {
  const labels = { ...given };
  for (const config of configs) {
    const {
      source_labels: from = [],
      regex = '(.*)',
      action = 'replace',
    } = config as Record<string, string> & {
      source_labels?: string[];
    };
    const { target_label: to = '', replacement = '$1' } = config as Record<string, string>;
    const value = from.map((name) => labels[name] ?? '').join(';');
    const matched = new RegExp(`^(?:${regex})$`).exec(value);
    if (action === 'keep' && !matched) return undefined;
    if (action === 'drop' && matched) return undefined;
    if (action === 'replace' && matched) {
      labels[to] = replacement.replaceAll(/\$\{?(\d)\}?/g, (_, group: string) => matched[Number(group)] ?? '');
    }
  }
  return labels;
}

// the ports of a pod that Knative creates; all but the first belong to the queue-proxy
const ports = {
  'user-port': 8080,
  'http-autometric': 9090,
  'http-usermetric': 9091,
  'queue-port': 8012,
  'https-port': 8112,
};

test.each([
  { name: 'storefront', address: '10.1.2.3:9464' },
  { name: 'charge-account', address: '10.1.2.3:8080' },
])('an instance of $name is one target, with its metrics at $address', ({ name, address }) => {
  const found = readPodMonitors().flatMap((monitor) =>
    scrapeConfigsOf(monitor, '').flatMap(({ relabel_configs: configs }) =>
      Object.entries(ports).flatMap(([port, number]) => {
        const target = relabel(configs, {
          __address__: `10.1.2.3:${number}`,
          __meta_kubernetes_pod_phase: 'Running',
          __meta_kubernetes_pod_container_port_name: port,
          __meta_kubernetes_pod_label_serving_knative_dev_service: name,
          __meta_kubernetes_pod_labelpresent_serving_knative_dev_service: 'true',
        });
        return target ? [target['__address__']] : [];
      }),
    ),
  );
  expect(found).toEqual([address]);
});

test('func.yaml of the storefront sets the port that the PodMonitor scrapes', () => {
  const { run } = funcYamlOf('storefront');
  expect(run.envs).toContainEqual({ name: 'METRICS_PORT', value: '9464' });
});
