/**
 * What ./shop.sh calls outside, as stand-ins: `stand-ins.ts PROGRAM ARGUMENTS…`. They write down what they were asked
 * (`calls` in the folder STAND_INS, a line of JSON each) and keep what a cluster would keep in `cluster.json` there.
 * Nothing in them is what Kubernetes does: that is tried on a cluster. They show what the script asks for, and when.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

interface Item {
  kind: string;
  metadata: { name: string; labels?: Record<string, string>; annotations?: Record<string, string> };
  [more: string]: unknown;
}
interface Cluster {
  minikube?: 'running' | 'invalid';
  images: string[];
  items: Record<string, Item>;
  /** How often applying a file still fails, by a part of its name. */
  failing?: Record<string, number>;
}

const folder = process.env['STAND_INS'] ?? '';
const file = path.join(folder, 'cluster.json');
const [program = '', ...args] = process.argv.slice(2);
const context = currentContext();
const input = args.includes('-') ? readFileSync(0, 'utf8') : '';
// some are called at a time
for (const lock = path.join(folder, 'lock'); ;) {
  try {
    mkdirSync(lock);
    process.on('exit', () => rmdirSync(lock));
    break;
  } catch {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
  }
}
const cluster = JSON.parse(readFileSync(file, 'utf8')) as Cluster;
appendFileSync(path.join(folder, 'calls'), `${JSON.stringify({ program, args, context, input })}\n`);
const says = (text: string) => process.stdout.write(text);
const fails = (text: string) => {
  process.stderr.write(`${text}\n`);
  process.exitCode = 1;
};
/** The argument after this one. */
const after = (name: string) => args[args.indexOf(name) + 1] ?? '';

const programs: Record<string, () => void> = {
  kubectl,
  minikube,
  func,
  docker,
  npm,
  uname: () => says('Darwin\n'),
  open: () => undefined,
};
programs[program]?.();
writeFileSync(file, JSON.stringify(cluster, null, 1));

function currentContext(): string {
  const config = process.env['KUBECONFIG'] ?? '';
  return existsSync(config) ? readFileSync(config, 'utf8').trim() : 'somebody-elses';
}

function minikube(): void {
  const what = args
    .filter((one) => one !== '-p' && one !== 'shop')
    .slice(0, 2)
    .join(' ');
  if (what.startsWith('status')) {
    if (cluster.minikube === 'running') says('Running');
    else process.exitCode = 7;
  } else if (what === 'profile list') {
    const one = [{ Name: 'shop' }];
    const { minikube: state } = cluster;
    says(JSON.stringify({ invalid: state === 'invalid' ? one : [], valid: state === 'running' ? one : [] }));
  } else if (what.startsWith('start')) cluster.minikube = 'running';
  else if (what.startsWith('delete')) Object.assign(cluster, { minikube: undefined, items: {}, images: [] });
  else if (what === 'config get') process.exitCode = 1;
  else if (what === 'image ls') says(`${cluster.images.join('\n')}\n`);
  else if (what === 'image build') cluster.images.push(after('-t'));
  else fails(`minikube ${what}?`);
}

function docker(): void {
  if (args[0] === 'info') says(args.includes('{{.NCPU}}') ? '8\n' : `${8 * 2 ** 30}\n`);
  if (args[0] === 'inspect') says(`elsewhere/shop@sha256:1\nregistry.example/shop@sha256:${'a'.repeat(64)}\n`);
}

function func(): void {
  if (args[0] === 'version') {
    says('v0.50.1\n');
    return;
  }
  const name = path.basename(after('--path'));
  put({ kind: 'ksvc', metadata: { name }, spec: { image: after('--image') } });
}

/** Runs nothing: the ways into the shop are in its environment. */
function npm(): void {
  const { BASE_URL, HOST_HEADER, MAIL_URL, ADMIN_EMAIL, ADMIN_PASSWORD } = process.env;
  writeFileSync(
    path.join(folder, 'npm.json'),
    JSON.stringify({ BASE_URL, HOST_HEADER, MAIL_URL, ADMIN_EMAIL, ADMIN_PASSWORD }),
  );
}

function put(item: Item): void {
  const key = `${item.kind.toLowerCase()}/${item.metadata.name}`;
  const { [key]: before } = cluster.items;
  const version = Number((before?.metadata as { resourceVersion?: string } | undefined)?.resourceVersion ?? 0);
  const same = before && JSON.stringify({ ...before, metadata: {} }) === JSON.stringify({ ...item, metadata: {} });
  const metadata = {
    ...before?.metadata,
    ...item.metadata,
    resourceVersion: String(same ? version : version + 1),
  };
  cluster.items[key] = { ...before, ...item, metadata };
}

function kubectl(): void {
  const rest = args.filter((one, index) => one !== '-n' && args[index - 1] !== '-n');
  const [verb = '', what = ''] = rest;
  if (verb === 'config') {
    if (what === 'current-context') says('somebody-elses\n');
    // the context alone stands for the file
    if (what === 'view') says(`${after('--context')}\n`);
  } else if (verb === 'version') says('Client Version: v1.34.0\n');
  else if (verb === 'port-forward') {
    says('Forwarding from 127.0.0.1:4711 -> 8080\n');
    rmdirSync(path.join(folder, 'lock'));
    process.removeAllListeners('exit');
    setTimeout(() => undefined, 60_000);
  } else if (verb === 'apply' || verb === 'replace' || (verb === 'create' && !rest.includes('--dry-run=client')))
    apply();
  else if (verb === 'create')
    says(JSON.stringify({ kind: 'ConfigMap', metadata: { name: rest[2] }, data: literals() }));
  else if (verb === 'get') get(rest.slice(1));
  else if (verb === 'annotate') {
    const [key = '', value = ''] = (rest.find((one) => one.includes('=')) ?? '').split('=');
    const item = cluster.items[`${what}/${rest[2]}`];
    if (item) item.metadata.annotations = { ...item.metadata.annotations, [key]: value };
  } else if (verb === 'label' && rest.includes('--local')) {
    says(input.replace('labels:', `labels:\n    ${(rest.find((one) => one.includes('=')) ?? '').replace('=', ': ')}`));
  } else if (verb === 'delete') {
    if (what === 'namespace') cluster.items = {};
    if (what === 'job') delete cluster.items['job/migrate'];
    if (what.startsWith('pingsource'))
      for (const key of Object.keys(cluster.items)) if (key.startsWith('ksvc/')) delete cluster.items[key];
  } else if (!['wait', 'rollout', 'patch', 'label'].includes(verb)) fails(`kubectl ${verb}?`);
}

function literals(): Record<string, string> {
  return Object.fromEntries(
    args.filter((one) => one.startsWith('--from-literal=')).map((one) => one.slice(15).split(/=(.*)/s, 2)),
  );
}

function apply(): void {
  const source = after(args.includes('-k') ? '-k' : '-f');
  const failing = Object.keys(cluster.failing ?? {}).find(
    (name) => source.includes(name) && (cluster.failing?.[name] ?? 0) > 0,
  );
  if (failing && cluster.failing) {
    cluster.failing[failing] = (cluster.failing[failing] ?? 0) - 1;
    return fails(`no matches for kind: ${failing}`);
  }
  if (args.includes('-k')) return applyFolder(source);
  if (source.startsWith('https://')) {
    if (source.includes('/eventing/')) put({ kind: 'installed', metadata: { name: 'knative-eventing' } });
    if (source.includes('/serving/')) put({ kind: 'installed', metadata: { name: 'knative-serving' } });
    return;
  }
  const text = source === '-' ? input : readFileSync(source, 'utf8');
  if (text.trimStart().startsWith('{')) {
    const read = JSON.parse(text) as Item & { items?: Item[] };
    for (const item of read.items ?? [read]) put(stored(item));
    return;
  }
  for (const part of text.split(/^---$/m)) {
    const kind = /^kind: (\w+)/m.exec(part)?.[1] ?? '';
    const name = /^ {2}name: (\S+)/m.exec(part)?.[1] ?? '';
    const labels = part.includes('shop.sh') ? { 'app.kubernetes.io/managed-by': 'shop.sh' } : {};
    const image = / image: (\S+)/.exec(part)?.[1];
    put({ kind, metadata: { name, labels }, image, ...(kind === 'Job' && { succeeded: 1 }) });
  }
}

/** As a cluster keeps a secret: in base64. */
function stored({ stringData, ...item }: Item): Item {
  const text = (stringData ?? {}) as Record<string, string>;
  const encoded = Object.entries(text).map(([key, value]) => [key, Buffer.from(value).toString('base64')]);
  return { ...item, ...(stringData ? { data: Object.fromEntries(encoded) as unknown } : {}) };
}

function applyFolder(source: string): void {
  const text = readFileSync(path.join(source, 'kustomization.yaml'), 'utf8');
  appendFileSync(path.join(folder, 'applied'), `${text}---\n`);
  for (const [, resource = ''] of text.matchAll(/^ {2}- (\.\S+)$/gm)) {
    if (!existsSync(path.join(source, resource, 'kustomization.yaml'))) fails(`there is no ${resource}`);
  }
  put({ kind: 'ConfigMap', metadata: { name: 'shop' }, data: { from: text } });
}

/** Gives what is asked for in the forms that the script uses. */
function get(what: string[]): void {
  const [kind = '', name = ''] = what;
  const format = after('-o');
  const item = cluster.items[`${kind}/${name}`];
  const items = Object.entries(cluster.items);
  if (kind === 'crd' || kind === '--raw=/readyz') return;
  if (kind === 'deployment') {
    if (!cluster.items['installed/knative-eventing']) fails('NotFound');
    return;
  }
  if (kind === 'nodes') {
    const status = {
      nodeInfo: { architecture: 'arm64', kubeletVersion: 'v1.34.0' },
      allocatable: { cpu: '4', memory: '6Gi' },
    };
    says(JSON.stringify({ items: [{ metadata: { name: 'node' }, status }] }));
    return;
  }
  if (format === 'name') {
    const kinds = kind.split(',').map((one) => one.split('/')[0] ?? '');
    says(items.flatMap(([key]) => (kinds.some((one) => key.startsWith(`${one}/`)) ? [`${key}\n`] : [])).join(''));
  } else if (kind === 'ksvc' && name !== 'storefront') {
    for (const [key, { metadata }] of items)
      if (key.startsWith('ksvc/')) says(`${metadata.name} ${metadata.annotations?.['shop/deployed'] ?? ''}\n`);
  } else if (kind === 'namespace' && name.startsWith('knative-')) {
    if (cluster.items[`installed/${name}`]) says('1.23.0');
  } else if (!item) fails(`Error from server (NotFound): ${kind} "${name}" not found`);
  else if (format === 'json') says(JSON.stringify(item));
  else if (format.includes('.metadata.labels')) says(JSON.stringify(item.metadata.labels ?? {}));
  else if (format.includes('.data.')) says(valueAt(item, format));
  else if (format.includes('.data')) says(JSON.stringify(item['data']));
  else if (format.includes('image'))
    says(`${String(item['image'])} ${item.metadata.annotations?.['shop/admin'] ?? ''} 1`);
  else if (format.includes('resourceVersion'))
    says((item.metadata as { resourceVersion?: string }).resourceVersion ?? '');
}

function valueAt(item: Item, format: string): string {
  return (item['data'] as Record<string, string> | undefined)?.[/\.data\.([\w-]+)/.exec(format)?.[1] ?? ''] ?? '';
}
