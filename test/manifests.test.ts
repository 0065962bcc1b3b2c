import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { funcYamlOf } from '#knative/func-yaml.ts';
import { functionNames } from '#local/functions.ts';
import type { FunctionContext } from '#platform/runtime/context.ts';
import { heapFlags } from '#platform/runtime/heap.ts';
import type { FunctionModule } from '#platform/runtime/serve-function.ts';
import { newContext } from '#test/support/context.ts';
import { schemaOf, type Manifest } from '#test/support/schemas.ts';

// Kubernetes objects; the other files are read by kustomize
const files = globSync('{broker,knative}/**/*.yaml').filter(
  (file) => !/kustomization\.yaml$|gitops\/namespace\.yaml$/.test(file),
);
const manifests = files.flatMap((file) =>
  parseAllDocuments(readFileSync(file, 'utf8')).map((document) => {
    const manifest = document.toJS() as Manifest;
    return { file, what: `${manifest.kind} ${manifest.metadata.name}`, manifest };
  }),
);

test.each(manifests)('$file: $what is valid', async ({ manifest }) => {
  const Model = await schemaOf(manifest);
  // the schema of this kind requires the status, which the cluster writes
  new Model(manifest.kind === 'SinkBinding' ? { ...manifest, status: {} } : manifest).validate();
});

test('an invalid manifest is reported', async () => {
  const trigger = {
    apiVersion: 'eventing.knative.dev/v1',
    kind: 'Trigger',
    metadata: { name: 'x' },
    spec: { filter: 1 },
  };
  const Model = await schemaOf(trigger);
  expect(() => new Model(trigger).validate()).toThrow('filter');
});

test('everything lives in the namespace of the shop', () => {
  const clusterWide = new Set(['Namespace', 'ClusterDomainClaim']);
  const elsewhere = manifests.filter(
    ({ manifest: { kind, metadata } }) => !clusterWide.has(kind) && metadata.namespace !== 'shop',
  );
  expect(elsewhere.map(({ file }) => file)).toEqual([]);
});

test('every generated manifest is up to date', () => {
  const { status, stderr } = spawnSync(process.execPath, ['knative/render.ts', '--check'], { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});

// promise: owasp-api8
test('no manifest contains a secret: they are created by the install', () => {
  expect(manifests.filter(({ manifest }) => manifest.kind === 'Secret')).toEqual([]);
  // a generated secret contains digits; a reference to one does not
  const literal = /(password|secret|key|token)\w*:\s*['"]?(?=[\w-]*\d)[\w-]{16,}/i;
  for (const file of [...files, ...globSync('functions/*/func.yaml')]) {
    expect(readFileSync(file, 'utf8')).not.toMatch(literal);
  }
});

describe('every container satisfies Pod Security "restricted"', () => {
  // for a function, Knative and the component `hardened` set the rest
  const own = manifests.filter(({ manifest }) => manifest.apiVersion !== 'serving.knative.dev/v1');
  const pods = own.flatMap(({ what, manifest }) => {
    const { template } = (manifest as { spec?: { template?: { spec?: PodSpec } } }).spec ?? {};
    return template?.spec ? [{ what, pod: template.spec }] : [];
  });
  test.each(pods)('$what', ({ pod }) => {
    expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
    for (const { securityContext } of pod.containers) {
      expect(securityContext).toMatchObject({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
    }
  });
});

interface PodSpec {
  securityContext: object;
  containers: { securityContext: object }[];
}

// func.yaml as func 0.50 reads it (specVersion 0.36.0), limited to what the shop uses; an unknown field is an error
const scale = z.strictObject({
  min: z.int().min(0),
  max: z.int().min(1),
  metric: z.literal('concurrency'),
  target: z.number().min(1),
  utilization: z.int().min(1).max(100).optional(),
});
const funcYaml = z.strictObject({
  specVersion: z.literal('0.36.0'),
  name: z.string(),
  runtime: z.literal('node'),
  created: z.string(),
  invoke: z.enum(['http', 'cloudevent']),
  run: z.strictObject({ envs: z.array(z.strictObject({ name: z.string(), value: z.string() })) }),
  deploy: z.strictObject({
    labels: z.array(z.strictObject({ key: z.string(), value: z.string() })).optional(),
    healthEndpoints: z.strictObject({ liveness: z.string(), readiness: z.string() }),
    options: z.strictObject({
      scale,
      resources: z.strictObject({
        requests: z.strictObject({ cpu: z.string(), memory: z.string() }),
        limits: z.strictObject({ cpu: z.string(), memory: z.string(), concurrency: z.int() }),
      }),
    }),
  }),
});

describe.each(functionNames)('functions/%s/func.yaml', (name) => {
  const read = () => funcYaml.parse(funcYamlOf(name));

  test('is valid, has the name of its folder, and names no image', () => {
    expect(read().name).toBe(name);
  });

  // promise: owasp-api5, owasp-api9
  test('is reachable only inside the cluster, and publicly only by the domain', () => {
    expect(read().deploy.labels).toContainEqual({ key: 'networking.knative.dev/visibility', value: 'cluster-local' });
  });

  test('gets the address of the broker if it publishes events', async () => {
    const module = (await import(`#functions/${name}/index.ts`)) as FunctionModule;
    const used = new Set<string | symbol>();
    const observed = new Proxy(newContext(), {
      get: (context, part: keyof FunctionContext) => {
        used.add(part);
        return context[part];
      },
    });
    if ('handle' in module) module.handle(observed);
    else module.createStorefront(observed);
    const isBound = read().deploy.labels?.some(({ key }) => key === 'shop/publishes') ?? false;
    if (used.has('outbox') || used.has('broker')) expect(isBound).toBe(true);
    // an event function publishes nothing by itself: its events are replies
    else if (read().invoke === 'cloudevent') expect(isBound).toBe(false);
  });

  // promise: owasp-api8
  test('gets only the secrets that it needs', () => {
    const secrets = new Set(read().run.envs.flatMap(({ value }) => /\{\{ secret:([\w-]+):/.exec(value)?.[1] ?? []));
    const needed = {
      'log-in': ['token-private-key'],
      storefront: ['cursor-key'],
      'send-notification': ['event-keys', 'mail'],
    }[name] ?? ['event-keys'];
    // the first is the database URL for the role of the function, with the CA
    expect([...secrets]).toEqual([`database-${name}`, ...needed]);
  });
});

const functions = functionNames.map((name) => funcYaml.parse(funcYamlOf(name)));
const find = <Found extends object>(kind: string, name: string) =>
  manifests.find(
    ({ file, manifest }) =>
      file.startsWith('knative/base') && manifest.kind === kind && manifest.metadata.name === name,
  )?.manifest as Found | undefined;

test('another instance starts before a caller uses all of its connections', () => {
  // the storefront opens up to 64 connections to a function, and a function up to 64 to the broker
  for (const { name, deploy } of functions.filter(({ deploy }) => deploy.options.scale.max > 1)) {
    const { target, utilization = 70 } = deploy.options.scale;
    expect({ name, scalesAt: (target * utilization) / 100 < 64 }).toEqual({ name, scalesAt: true });
  }
});

describe('Postgres', () => {
  const statefulSet = find<{
    spec: {
      template: { spec: { containers: [{ args: string[] }] } };
      volumeClaimTemplates: [{ spec: { resources: { requests: { storage: string } } } }];
    };
  }>('StatefulSet', 'postgres')?.spec;
  const setting = (name: string) =>
    statefulSet?.template.spec.containers[0].args.find((argument) => argument.startsWith(`${name}=`))?.split('=')[1] ??
    '';

  // promise: postgres-sizes
  test('has connections for every function at its largest scale, and twice as many during a rollout', () => {
    const pool = Number(find<{ data: Record<string, string> }>('ConfigMap', 'shop')?.data['DATABASE_POOL']);
    const instances = functions.reduce((sum, { deploy }) => sum + deploy.options.scale.max, 0);
    const others = 20; // the migration job, the reserved slots of superusers, a session of an engineer
    expect(pool * instances * 2 + others).toBeLessThanOrEqual(Number(setting('max_connections')));
    // every function reads its pool size from the ConfigMap
    for (const { name, run } of functions)
      expect({ name, envs: run.envs }).toMatchObject({
        name,
        envs: expect.arrayContaining([{ name: 'DATABASE_POOL', value: '{{ configMap:shop:DATABASE_POOL }}' }]),
      });
  });

  // promise: postgres-sizes
  test('has a volume that the write-ahead log cannot fill', () => {
    const gigabytes = (size = '') => Number(/^(\d+)Gi?B?$/.exec(size)?.[1]);
    const volume = gigabytes(statefulSet?.volumeClaimTemplates[0].spec.resources.requests.storage);
    expect(gigabytes(setting('max_wal_size')) * 4).toBeLessThanOrEqual(volume);
  });
});

test('the heap flags of package.json and of the image are those of the platform', () => {
  for (const [flag, value] of Object.entries(heapFlags)) {
    expect(readFileSync('package.json', 'utf8')).toContain(`--${flag}=${value} `);
  }
  expect(readFileSync('Dockerfile', 'utf8')).toContain(`--max-semi-space-size=${heapFlags['max-semi-space-size']}`);
});

describe('the image', () => {
  const linesOf = (file: string) =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
  const allowed = linesOf('.dockerignore').flatMap((line) => (line.startsWith('!') ? [line.slice(1)] : []));
  const inside = allowed
    .flatMap((name) => globSync([name, `${name}/**/*`], { withFileTypes: true }))
    .flatMap((entry) => (entry.isFile() ? [relative('.', join(entry.parentPath, entry.name))] : []))
    .filter((file) => !file.endsWith('.test.ts'));

  test('is built from nothing but the listed files', () => {
    for (const file of ['.dockerignore', '.funcignore']) {
      const lines = linesOf(file);
      expect(lines[0]).toBe('*');
      expect(lines.filter((line) => !line.startsWith('!'))).toEqual(['*', '**/*.test.ts']);
      expect(lines.filter((line) => line.startsWith('!')).map((line) => line.slice(1))).toEqual(allowed);
    }
  });

  test('can be built: every function loads with no settings but those of the build step', () => {
    const cache = mkdtempSync(join(tmpdir(), 'shop-compile-cache-'));
    const env = { PATH: process.env['PATH'], NODE_COMPILE_CACHE: cache };
    const { status, stderr } = spawnSync(process.execPath, ['knative/fill-compile-cache.ts'], {
      env,
      encoding: 'utf8',
    });
    rmSync(cache, { recursive: true });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  test('copies exactly the listed files', () => {
    const copied = linesOf('Dockerfile').flatMap((line) => /^COPY (.+) \S+$/.exec(line)?.[1]?.split(' ') ?? []);
    expect(copied.toSorted()).toEqual(allowed.toSorted());
  });

  test('contains what runs, and no test, data, key or tool', () => {
    expect(inside).toContain('functions/charge-account/index.ts');
    const unexpected = inside.filter(
      (file) =>
        !/^(package(-lock)?\.json|\.npmrc|start\.ts|local\/preload\.cjs|knative\/fill-compile-cache\.ts|(events|platform|broker|api)\/[\w./-]+|database\/[\w/-]+\.(ts|sql)|database\/migrations\/[\w-]+\.js|functions\/func\.yaml|functions\/[\w-]+\/([\w/-]+\.ts|func\.yaml)|web\/[\w-]+\.(html|css|js|svg|d\.ts))$/.test(
          file,
        ),
    );
    expect(unexpected).toEqual([]);
    expect(inside.filter((file) => /testing|fixture|\.data|\.env|\.pem|\.key/.test(file))).toEqual([]);
  });
});
