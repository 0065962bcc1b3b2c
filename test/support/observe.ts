import { readFileSync } from 'node:fs';
import { parser } from '@prometheus-io/lezer-promql';
import { parse } from 'yaml';

/** A question to Prometheus, and where it stands. */
export interface Query {
  where: string;
  expr: string;
}

interface PrometheusRule {
  spec: { groups: { rules: { alert: string; expr: string }[] }[] };
}

interface Dashboard {
  panels: { title: string; targets: { expr: string }[] }[];
}

/** The alerts. */
export function readRules(): Query[] {
  const { spec } = parse(readFileSync('knative/observe/alerts.yaml', 'utf8')) as PrometheusRule;
  return spec.groups.flatMap(({ rules }) => rules.map(({ alert, expr }) => ({ where: alert, expr })));
}

/** What the panels of the dashboard ask. Grafana puts its interval in. */
export function readDashboard(): Query[] {
  const { panels } = JSON.parse(readFileSync('knative/observe/dashboard.json', 'utf8')) as Dashboard;
  return panels.flatMap(({ title, targets }) =>
    targets.map(({ expr }) => ({ where: title, expr: expr.replaceAll('$__rate_interval', '1m') })),
  );
}

/** The metrics that a query names. Throws where it is not PromQL. */
export function namedIn(expr: string): string[] {
  const names: string[] = [];
  parser.parse(expr).iterate({
    enter: ({ type, from, to }) => {
      if (type.isError) throw new Error(`this is not PromQL: ${expr.slice(0, from)} ⟶ ${expr.slice(from)}`);
      if (type.name === 'VectorSelector') names.push(/^[\w:]+/.exec(expr.slice(from, to))?.[0] ?? '');
    },
  });
  return names;
}
