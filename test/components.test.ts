import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { schemaOf, type Manifest } from '#test/support/schemas.ts';

// The components of knative/components, in every combination, over everything that GitOps installs: as kustomize renders
// them.

interface Pod {
  containers: { image: string; args?: string[]; env?: EnvVar[] }[];
}
interface EnvVar {
  valueFrom?: { secretKeyRef?: { name: string; key: string } };
}
interface Selector {
  matchLabels?: Record<string, string>;
}
interface Rendered extends Manifest {
  spec: {
    template?: { metadata: { labels: Record<string, string>; annotations?: Record<string, string> }; spec: Pod };
    podSelector?: Selector;
    ingress?: { ports: { port: number }[] }[];
    delivery?: object;
    broker?: string;
    config?: object;
    imageName?: string;
    bootstrap?: { initdb: { secret: { name: string } } };
    postgresql?: { parameters: Record<string, string> };
    storage?: { size: string };
  };
}

const combinations = [[], ['database-ha']].flatMap((database) =>
  [[], ['broker-jetstream'], ['broker-kafka']].flatMap((broker) =>
    [[], ['smtp-external']].map((mail) => [...database, ...broker, ...mail]),
  ),
);

function render(components: string[]): Rendered[] {
  const folder = mkdtempSync(join(tmpdir(), 'shop-components-'));
  const listed = (paths: string[]) => paths.map((path) => `  - ${relative(folder, path)}\n`).join('');
  const resources = listed(['knative/overlays/gitops', 'knative/event-policy']);
  const names = listed(components.map((name) => `knative/components/${name}`));
  writeFileSync(
    join(folder, 'kustomization.yaml'),
    `resources:\n${resources}${names && `components:\n${names}`}images:\n  - { name: shop, newName: registry.example/shop }\n`,
  );
  try {
    const text = execFileSync('kubectl', ['kustomize', folder], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return parseAllDocuments(text).map((document) => document.toJS() as Rendered);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The secrets of an installation, by `name/key`. */
function secretKeys(): Set<string> {
  const run = (script: string, input: string) =>
    JSON.parse(execFileSync(process.execPath, [script], { input, encoding: 'utf8' })) as {
      items: { kind: string; metadata: { name: string }; data?: object; stringData?: Record<string, string> }[];
    };
  const made = run('knative/make-secrets.ts', '').items.filter(({ kind }) => kind === 'Secret');
  const { stringData = {} } = made.find(({ metadata }) => metadata.name === 'database') ?? {};
  const data = Object.fromEntries(
    Object.entries(stringData).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
  );
  const database = run('knative/database-secrets.ts', JSON.stringify({ metadata: { namespace: 'shop' }, data })).items;
  return new Set(
    [...made, ...database].flatMap(({ metadata, data: keys, stringData: texts }) =>
      Object.keys(keys ?? texts ?? {}).map((key) => `${metadata.name}/${key}`),
    ),
  );
}

const kubectl = spawnSync('kubectl', ['version', '--client']);
(kubectl.error ? describe.skip : describe).each(
  combinations.map((names) => ({ names, title: names.join(' ') || 'none' })),
)('components: $title', ({ names }) => {
  const all = kubectl.error ? [] : render(names);
  const of = (kind: string) => all.filter((one) => one.kind === kind);
  const has = (name: string) => names.includes(name);
  const pods = () => all.flatMap(({ spec }) => spec?.template?.spec ?? []);

  test('every object is valid', async () => {
    for (const one of all) {
      const Model = await schemaOf(one);
      new Model(one.kind === 'SinkBinding' ? { ...one, status: {} } : one).validate();
    }
  });

  test('every secret that is used is one that the install creates', () => {
    const used = pods().flatMap(({ containers }) =>
      containers.flatMap(({ env = [] }) => env.flatMap(({ valueFrom }) => valueFrom?.secretKeyRef ?? [])),
    );
    const owner = of('Cluster').map(({ spec }) => spec.bootstrap?.initdb.secret.name);
    const names = [
      ...used.map(({ name, key }) => `${name}/${key}`),
      ...owner.flatMap((name) => [`${name}/username`, `${name}/password`]),
    ];
    const created = secretKeys();
    expect(names.length).toBeGreaterThan(30);
    expect(names.filter((name) => !created.has(name))).toEqual([]);
  });

  test('every image names its registry and its version', () => {
    const images = [
      ...pods().flatMap(({ containers }) => containers.map(({ image }) => image)),
      ...of('Cluster').map(({ spec }) => spec.imageName),
    ];
    for (const image of images) expect(image).toMatch(/^[\w.]+\.\w+\/.+:[\w.-]+$/);
    // CloudNativePG reads the major version from the tag
    for (const { spec } of of('Cluster')) expect(spec.imageName).toMatch(/:1[678]\b/);
  });

  // the JetStream channel needs every field
  test('the Broker and every Trigger set every field of the delivery', () => {
    const deliveries = [...of('Broker'), ...of('Trigger')].map(({ spec }) => spec.delivery);
    expect(deliveries.length).toBeGreaterThan(5);
    for (const delivery of deliveries) {
      expect(Object.keys(delivery ?? {}).toSorted()).toEqual([
        'backoffDelay',
        'backoffPolicy',
        'deadLetterSink',
        'retry',
        'timeout',
      ]);
    }
  });

  test('there is one Broker, of the class of its component', () => {
    const [broker, ...others] = of('Broker') as (Rendered & { metadata: { annotations?: Record<string, string> } })[];
    expect(others).toEqual([]);
    const config = (name: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', name, namespace: 'knative-eventing' });
    const [, kind, settings] =
      [
        ['broker-jetstream', 'MTChannelBasedBroker', config('config-br-jetstream-channel')] as const,
        ['broker-kafka', 'Kafka', config('kafka-broker-config')] as const,
      ].find(([name]) => has(name)) ?? [];
    expect(broker?.metadata.annotations?.['eventing.knative.dev/broker.class']).toBe(kind);
    expect(broker?.spec.config).toEqual(settings);
  });

  test('there is one Postgres, and a NetworkPolicy selects its pods', () => {
    const single = of('StatefulSet').map(({ spec }) => spec.template?.metadata.labels);
    // the operator gives this label to its pods
    const replicated = of('Cluster').map(({ metadata }) => ({ 'cnpg.io/cluster': metadata.name }));
    expect([...single, ...replicated]).toEqual([
      has('database-ha') ? { 'cnpg.io/cluster': 'postgres' } : { app: 'postgres' },
    ]);
    const policies = of('NetworkPolicy').filter(
      ({ spec }) => JSON.stringify(spec.podSelector?.matchLabels) === JSON.stringify([...single, ...replicated][0]),
    );
    expect(policies).toHaveLength(1);
    const ports = policies.flatMap(({ spec }) => spec.ingress?.map((rule) => rule.ports.map(({ port }) => port)));
    expect(ports).toEqual(has('database-ha') ? [[5432], [5432, 8000]] : [[5432]]);
  });

  test('there is a mail catcher, unless a mail server is named', () => {
    const catcher = all.filter(({ metadata }) => metadata.name === 'mail-catcher').map(({ kind }) => kind);
    expect(catcher.toSorted()).toEqual(has('smtp-external') ? [] : ['Deployment', 'NetworkPolicy', 'Service']);
  });

  test('Postgres has connections for every function at its largest scale, twice', () => {
    const ofFunctions = all.filter(({ apiVersion }) => apiVersion === 'serving.knative.dev/v1');
    const largest = ofFunctions.map(({ spec }) => {
      const annotations = spec.template?.metadata.annotations ?? {};
      return Number(annotations['autoscaling.knative.dev/max-scale']);
    });
    const settings = all.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'shop') as unknown as {
      data: Record<string, string>;
    };
    const others = 20; // migrations, superusers' slots, an engineer; with database-ha also the operator's connections
    const single = of('StatefulSet')
      .flatMap(({ spec }) => spec.template?.spec.containers[0]?.args ?? [])
      .find((argument) => argument.startsWith('max_connections='));
    const [cluster] = of('Cluster');
    const allowed = Number(single?.split('=')[1] ?? cluster?.spec.postgresql?.parameters['max_connections']);
    const pool = Number(settings.data['DATABASE_POOL']);
    expect(pool * largest.reduce((sum, one) => sum + one, 0) * 2 + others).toBeLessThanOrEqual(allowed);
  });

  test('the write-ahead log of a replicated Postgres leaves most of its volume to the data', () => {
    const gigabytes = (size = '') => Number(/^(\d+)Gi?B?$/.exec(size)?.[1]);
    for (const { spec } of of('Cluster')) {
      const { max_wal_size: usual, max_slot_wal_keep_size: ofAbsent } = spec.postgresql?.parameters ?? {};
      expect((gigabytes(usual) + gigabytes(ofAbsent)) * 4).toBeLessThanOrEqual(gigabytes(spec.storage?.size));
    }
  });
});
