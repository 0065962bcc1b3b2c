import { readFileSync } from 'node:fs';
import { parse, parseAllDocuments } from 'yaml';

// What the Prometheus operator generates from knative/observe, for a Prometheus that runs without it. Rules as in its
// pkg/prometheus/promcfg.go (generatePodMonitorConfig); sharding is left out, because one Prometheus takes all targets.

interface Relabeling {
  sourceLabels?: string[];
  separator?: string;
  targetLabel?: string;
  regex?: string;
  modulus?: number;
  replacement?: string;
  action?: string;
}

interface Endpoint {
  port?: string;
  portNumber?: number;
  path?: string;
  interval?: string;
  scrapeTimeout?: string;
  scheme?: string;
  relabelings?: Relabeling[];
  metricRelabelings?: Relabeling[];
}

interface Expression {
  key: string;
  operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  values?: string[];
}

/** The fields of a PodMonitor that are read here. An unknown one is an error: it would be ignored silently. */
export interface PodMonitor {
  metadata: { name: string; namespace: string };
  spec: {
    selector: { matchLabels?: Record<string, string>; matchExpressions?: Expression[] };
    namespaceSelector?: { matchNames?: string[]; any?: boolean };
    podTargetLabels?: string[];
    jobLabel?: string;
    podMetricsEndpoints: Endpoint[];
  };
}

/** The fields of a Prometheus scrape configuration that are used here. */
export interface ScrapeConfig {
  job_name: string;
  relabel_configs: Record<string, unknown>[];
  [field: string]: unknown;
}

export interface Rule {
  alert: string;
  expr: string;
  for?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
}

export interface RuleGroup {
  name: string;
  rules: Rule[];
}

/** A text of knative/observe for a shop in another namespace. */
export const inNamespace = (text: string, namespace: string): string =>
  text.replaceAll(/(namespace(?:_name)?(?:: |=\\*"))shop\b/g, `$1${namespace}`);

/** The PodMonitors of a shop. */
export function readPodMonitors(namespace = 'shop', file = 'knative/observe/pod-monitor.yaml'): PodMonitor[] {
  return parseAllDocuments(inNamespace(readFileSync(file, 'utf8'), namespace)).map(
    (document) => document.toJS() as PodMonitor,
  );
}

/** The alert rules of a shop, in the format of a rule file. */
export function readRuleGroups(namespace = 'shop'): RuleGroup[] {
  const { spec } = parse(inNamespace(readFileSync('knative/observe/alerts.yaml', 'utf8'), namespace)) as {
    spec: { groups: RuleGroup[] };
  };
  return spec.groups;
}

/** The scrape configurations of a PodMonitor, one per endpoint. */
export function scrapeConfigsOf(monitor: PodMonitor, kubeconfig: string): ScrapeConfig[] {
  const { metadata, spec } = monitor;
  refuseUnknownFields(spec, ['selector', 'namespaceSelector', 'podTargetLabels', 'jobLabel', 'podMetricsEndpoints']);
  const names = spec.namespaceSelector?.any ? [] : (spec.namespaceSelector?.matchNames ?? [metadata.namespace]);
  return spec.podMetricsEndpoints.map((endpoint, index) => {
    const { path, interval, scrapeTimeout, scheme } = endpoint;
    refuseUnknownFields(endpoint, knownOfEndpoint);
    return {
      job_name: `podMonitor/${metadata.namespace}/${metadata.name}/${index}`,
      kubernetes_sd_configs: [
        { role: 'pod', kubeconfig_file: kubeconfig, ...(names.length > 0 && { namespaces: { names } }) },
      ],
      ...(interval !== undefined && { scrape_interval: interval }),
      ...(scrapeTimeout !== undefined && { scrape_timeout: scrapeTimeout }),
      ...(path !== undefined && { metrics_path: path }),
      ...(scheme !== undefined && { scheme }),
      relabel_configs: relabelConfigsOf(monitor, endpoint),
      ...(endpoint.metricRelabelings && { metric_relabel_configs: endpoint.metricRelabelings.map(snakeCase) }),
    };
  });
}

const knownOfEndpoint = [
  'port',
  'portNumber',
  'path',
  'interval',
  'scrapeTimeout',
  'scheme',
  'relabelings',
  'metricRelabelings',
];

function refuseUnknownFields(object: object, known: string[]): void {
  const unknown = Object.keys(object).filter((key) => !known.includes(key));
  if (unknown.length > 0) throw new Error(`not read by test/cluster/observe-config.ts: ${unknown.join(', ')}`);
}

function relabelConfigsOf({ metadata, spec }: PodMonitor, endpoint: Endpoint): Record<string, unknown>[] {
  const { port, portNumber } = endpoint;
  const { matchLabels = {}, matchExpressions = [] } = spec.selector;
  return [
    { source_labels: ['job'], target_label: '__tmp_prometheus_job_name' },
    { action: 'drop', source_labels: ['__meta_kubernetes_pod_phase'], regex: '(Failed|Succeeded)' },
    ...Object.entries(matchLabels)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => ({ action: 'keep', source_labels: valueAndPresence(key), regex: `(${value});true` })),
    ...matchExpressions.map(selected),
    ...(port === undefined
      ? []
      : [{ action: 'keep', source_labels: ['__meta_kubernetes_pod_container_port_name'], regex: port }]),
    ...(portNumber === undefined
      ? []
      : [
          { action: 'keep', source_labels: ['__meta_kubernetes_pod_container_port_number'], regex: String(portNumber) },
        ]),
    { source_labels: ['__meta_kubernetes_namespace'], target_label: 'namespace' },
    { source_labels: ['__meta_kubernetes_pod_container_name'], target_label: 'container' },
    { source_labels: ['__meta_kubernetes_pod_name'], target_label: 'pod' },
    ...(spec.podTargetLabels ?? []).map((label) => fromPodLabel(label, sanitized(label))),
    { target_label: 'job', replacement: `${metadata.namespace}/${metadata.name}` },
    ...(spec.jobLabel === undefined ? [] : [fromPodLabel(spec.jobLabel, 'job')]),
    ...((port ?? portNumber) === undefined
      ? []
      : [{ target_label: 'endpoint', replacement: String(port ?? portNumber) }]),
    ...(endpoint.relabelings ?? []).map(snakeCase),
  ];
}

function selected({ key, operator, values = [] }: Expression) {
  const regex = `(${values.join('|')});true`;
  switch (operator) {
    case 'In':
      return { action: 'keep', source_labels: valueAndPresence(key), regex };
    case 'NotIn':
      return { action: 'drop', source_labels: valueAndPresence(key), regex };
    case 'Exists':
      return { action: 'keep', source_labels: valueAndPresence(key).slice(1), regex: 'true' };
    case 'DoesNotExist':
      return { action: 'drop', source_labels: valueAndPresence(key).slice(1), regex: 'true' };
    default:
      return operator satisfies never;
  }
}

const sanitized = (label: string) => label.replaceAll(/[^a-zA-Z0-9_]/g, '_');
const valueAndPresence = (label: string) => [
  `__meta_kubernetes_pod_label_${sanitized(label)}`,
  `__meta_kubernetes_pod_labelpresent_${sanitized(label)}`,
];
const fromPodLabel = (label: string, target: string) => ({
  source_labels: valueAndPresence(label).slice(0, 1),
  target_label: target,
  regex: '(.+)',
  replacement: '${1}',
});

const snakeCase = (relabeling: Relabeling): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(relabeling).map(([key, value]) => [
      key.replace(/[A-Z]/, (capital) => `_${capital.toLowerCase()}`),
      key === 'action' ? String(value).toLowerCase() : (value as unknown),
    ]),
  );

/**
 * The same rules with short times, as a second group: alerts that take a quarter of an hour in operation fire within
 * two minutes. They carry `hurried="yes"`.
 */
export function hurried(groups: RuleGroup[]): RuleGroup[] {
  return groups.map(({ name, rules }) => ({
    name: `${name}, hurried`,
    rules: rules.map((rule) => ({
      ...rule,
      expr: rule.expr
        // Knative's components are scraped once a minute
        .replaceAll(/(?<=shop_\w+(?:\{[^}]*\})?)\[5m\]/g, '[1m]')
        .replaceAll(/(?<=\[|offset )15m/g, '2m')
        .replaceAll(/(_oldest_seconds\)) > \d+/g, '$1 > 20'),
      // longer than a Prometheus that has just started needs for its first scrape
      ...(rule.for !== undefined && { for: '30s' }),
      labels: { ...rule.labels, hurried: 'yes' },
    })),
  }));
}
