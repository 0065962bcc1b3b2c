import { globSync, readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import { funcYamlOf } from '#knative/func-yaml.ts';
import { functionNames } from '#local/functions.ts';
import { classes, header, onTwoLines, quoted } from './d2.ts';

/** A function as it is deployed. */
interface Deployed {
  name: string;
  /** The instances that Knative keeps running. */
  min: number;
}

interface Manifest {
  kind: string;
  metadata: { name: string };
  spec?: { schedule?: string; sink?: { ref: { name: string } }; ref?: { name: string } };
}

/** The functions as they are deployed. */
export const readDeployed = (): Deployed[] =>
  functionNames.map(funcYamlOf).map(({ name, deploy }) => ({ name, min: deploy.options.scale.min }));

/** The objects that `knative/` adds to the functions. */
export function readKnative(root: string): Manifest[] {
  const files = globSync(['knative/base/*.yaml', 'knative/*.yaml'], { cwd: root }).toSorted();
  return files.flatMap((file) => read<Manifest>(`${root}/${file}`));
}

const read = <Kind>(file: string): Kind[] =>
  parseAllDocuments(readFileSync(file, 'utf8')).map((document) => document.toJS() as Kind);

/** What runs where on a cluster. */
export function clusterSource(functions: Deployed[], manifests: Manifest[]): string {
  const ofKind = (kind: string) => manifests.filter((manifest) => manifest.kind === kind);
  const domains = ofKind('DomainMapping').map(({ metadata, spec }) => ({
    host: metadata.name,
    to: spec?.ref?.name ?? '',
  }));
  const pings = ofKind('PingSource').map(({ metadata, spec }) => ({ ...metadata, to: spec?.sink?.ref.name ?? '' }));
  const gateways = domains.map(({ to }) => to);
  const warm = functions.filter(({ name, min }) => min > 0 && !gateways.includes(name));
  const cold = functions.filter(({ name, min }) => min === 0 && !gateways.includes(name));
  return [
    header,
    classes(24),
    'direction: down',
    'style.fill: "#FFFFFF"',
    'customers: customers {class: outside}',
    'kourier: "Kourier (kourier-system)" {class: outside}',
    ...domains.map(({ host }) => `customers -> kourier: ${quoted(host)} {class: call}`),
    'shop: "namespace shop" {',
    '  class: panel',
    ...gateways.map((name) => `  ${name}: ${quoted(name)} {class: command}`),
    ...group('warm', 'always one instance: the path of an order', warm, 3),
    ...group('cold', 'scale to zero', cold, 4),
    '  broker: "Broker default\\nand its Triggers" {class: broker}',
    ...pings.map(({ name }) => `  ping: ${quoted(`PingSource\n${name}`)} {class: outside}`),
    ...ofKind('StatefulSet').map(
      ({ metadata }) => `  ${metadata.name}: ${quoted(metadata.name)} {shape: cylinder; class: outside}`,
    ),
    ...ofKind('Deployment').map(({ metadata }) => `  ${metadata.name}: ${quoted(metadata.name)} {class: outside}`),
    ...gateways.flatMap((name) => [
      `  ${name} -> warm: "calls" {class: call}`,
      `  ${name} -> cold: "calls" {class: call}`,
    ]),
    '  warm <-> broker: "events" {class: event}',
    '  cold <-> broker: "events" {class: event}',
    ...pings.map(({ to }) => `  ping -> cold: ${quoted(`${to}, every minute`)} {class: call}`),
    ...ofKind('StatefulSet').flatMap(({ metadata }) => [
      `  warm -> ${metadata.name}: "SQL" {class: call}`,
      `  cold -> ${metadata.name}: "SQL" {class: call}`,
    ]),
    ...ofKind('Deployment').map(({ metadata }) => `  warm -> ${metadata.name}: "SMTP" {class: call}`),
    '}',
    ...gateways.map((name) => `kourier -> shop.${name} {class: call}`),
    '',
  ].join('\n');
}

const group = (id: string, label: string, functions: Deployed[], columns: number): string[] => [
  `  ${id}: ${quoted(label)} {`,
  '    class: row',
  `    grid-columns: ${columns}`,
  '    grid-gap: 12',
  ...functions.map(({ name }) => `    ${name}: ${quoted(onTwoLines(name))} {class: function}`),
  '  }',
];
