import { readFileSync } from 'node:fs';
import { parser } from '@prometheus-io/lezer-promql';
import { inNamespace, readRuleGroups } from '#test/cluster/observe-config.ts';

/** Unit tests of the alerts, for promtool. */
export const ruleTests = 'knative/observe/alerts.test.yml';

/** A PromQL query and the alert or panel that contains it. */
export interface Query {
  where: string;
  expr: string;
}

interface Dashboard {
  panels: { title: string; targets: { expr: string }[] }[];
}

/** The alerts. */
export function readRules(): Query[] {
  return readRuleGroups().flatMap(({ rules }) => rules.map(({ alert, expr }) => ({ where: alert, expr })));
}

/** The queries of the dashboard for a shop in this namespace, with the interval that Grafana would insert. */
export function readDashboard(namespace = 'shop'): Query[] {
  const text = readFileSync('knative/observe/dashboard.json', 'utf8');
  const { panels } = JSON.parse(inNamespace(text, namespace)) as Dashboard;
  return panels.flatMap(({ title, targets }) =>
    targets.map(({ expr }) => ({ where: title, expr: expr.replaceAll('$__rate_interval', '1m') })),
  );
}

/** Whether this is a metric of Knative's components or of the kubelet, not of the shop. */
export const isOfTheCluster = (name: string): boolean => /^(kn|kubelet)_/.test(name);

/** The metrics that a query names. Throws if it is not PromQL. */
export function namedIn(expr: string): string[] {
  const names: string[] = [];
  parser.parse(expr).iterate({
    enter: ({ type, from, to }) => {
      if (type.isError) throw new Error(`not PromQL: ${expr.slice(0, from)} ⟶ ${expr.slice(from)}`);
      if (type.name === 'VectorSelector') names.push(/^[\w:]+/.exec(expr.slice(from, to))?.[0] ?? '');
    },
  });
  return names;
}
