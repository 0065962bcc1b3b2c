/**
 * Stand-ins for the programs that ./shop.sh calls. They record their calls and store what a cluster would store. They
 * do not imitate Kubernetes, for which there are tests on a cluster; they show which calls the script makes, and when.
 */
import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import path from 'node:path';

interface Item {
  kind: string;
  metadata: { name: string; labels?: Record<string, string>; annotations?: Record<string, string> };
  [more: string]: unknown;
}

/** The state of the stand-ins. */
export interface Cluster {
  minikube?: 'running' | 'invalid' | undefined;
  images: string[];
  items: Record<string, Item>;
  /** How many more times applying a file fails, by a part of its name. */
  failing?: Record<string, number>;
  /** The size of the machine, as Docker reports it. */
  cpus?: number;
  gigabytes?: number;
}

/** A call of a stand-in. */
export interface Call {
  program: string;
  args: string[];
  /** The context of its KUBECONFIG. */
  context: string;
  input: string;
}

export interface StandIns {
  cluster: Cluster;
  /** In order of time; a test may clear it. */
  calls: Call[];
  /** The kustomizations that were applied. */
  applied: string[];
  close(): void;
}

const names = ['kubectl', 'minikube', 'func', 'docker', 'npm', 'uname', 'open'];

let cluster: Cluster;
let applied: string[];
let args: string[];
let input: string;
let context: string;
let status: number;
let stays: boolean;
let output: string;

/**
 * Writes the stand-ins into a folder. Each is a few lines of shell that send the call to this process, because starting
 * Node for each of some hundred calls would take minutes.
 */
export async function putStandIns(folder: string): Promise<StandIns> {
  const standIns: StandIns = {
    cluster: { images: [], items: {} },
    calls: [],
    applied: [],
    close: () => server.close(),
  };
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    void (async () => {
      const length = Number((await once(socket, 'data').then(([chunk]) => chunk as Buffer)).toString());
      socket.write('\n');
      let call = Buffer.alloc(0);
      while (call.length < length) call = Buffer.concat([call, (await once(socket, 'data'))[0] as Buffer]);
      const [program = '', config = '', given = '', ...rest] = call.toString().split('\0').slice(0, -1);
      ({ cluster, applied } = standIns);
      [args, input, status, stays, output] = [rest, given, 0, false, ''];
      context = existsSync(config) ? readFileSync(config, 'utf8').trim() : 'other-cluster';
      standIns.calls.push({ program, args, context, input });
      programs[program]?.();
      socket.end(`${stays ? 'stays' : status}\n${output}`);
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  for (const name of names) {
    const program = path.join(folder, name);
    writeFileSync(program, script(name, port));
    chmodSync(program, 0o755);
  }
  return standIns;
}

const script = (name: string, port: number) => `#!/usr/bin/env bash
LC_ALL=C
input=
case " $* " in *' - '*) input=$(cat) ;; esac
[ ${name} != npm ] || input=$(env)
length=$((${name.length} + \${#KUBECONFIG} + \${#input} + 3))
for argument in "$@"; do length=$((length + \${#argument} + 1)); done
exec 3<>/dev/tcp/127.0.0.1/${port}
printf %s "$length" >&3
read -r _ <&3
printf '%s\\0' ${name} "$KUBECONFIG" "$input" "$@" >&3
read -r status <&3
if [ "$status" = 0 ] || [ "$status" = stays ]; then cat <&3; else cat <&3 >&2; fi
[ "$status" != stays ] || exec -a "$0 $*" sleep 60
exit "$status"
`;

const says = (text: string) => void (output += text);
function fails(text: string): void {
  status = 1;
  output = `${text}\n`;
}
/** The argument after this one. */
const after = (name: string) => args[args.indexOf(name) + 1] ?? '';

const programs: Record<string, () => void> = {
  kubectl,
  minikube,
  func,
  docker,
  npm: () => undefined,
  uname: () => says('Darwin\n'),
  open: () => undefined,
};

function minikube(): void {
  const what = args
    .filter((one) => one !== '-p' && one !== 'shop')
    .slice(0, 2)
    .join(' ');
  if (what.startsWith('status')) {
    if (cluster.minikube !== 'running') status = 85;
  } else if (what === 'profile list') {
    const one = [{ Name: 'shop' }];
    const { minikube: state } = cluster;
    says(JSON.stringify({ invalid: state === 'invalid' ? one : [], valid: state === 'running' ? one : [] }));
  } else if (what.startsWith('start')) cluster.minikube = 'running';
  else if (what.startsWith('delete')) Object.assign(cluster, { minikube: undefined, items: {}, images: [] });
  else if (what === 'config get') status = 1;
  else if (what === 'image ls') says(`${cluster.images.join('\n')}\n`);
  else if (what === 'image build') cluster.images.push(after('-t'));
  else fails(`minikube ${what}?`);
}

function docker(): void {
  if (args[0] === 'info')
    says(
      args.includes('{{.NCPU}}')
        ? `${cluster.cpus ?? 8}
`
        : `${(cluster.gigabytes ?? 8) * 2 ** 30}
`,
    );
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
    if (what === 'current-context') says('other-cluster\n');
    if (what === 'get-contexts' && cluster.minikube !== 'running') fails('error: context not found');
    // the name of the context stands for the whole file
    if (what === 'view') says(`${after('--context')}\n`);
  } else if (verb === 'version') says('Client Version: v1.34.0\n');
  else if (verb === 'port-forward') {
    says('Forwarding from 127.0.0.1:4711 -> 8080\n');
    stays = true;
  } else if (what === 'quota') {
    if (verb === 'get') fails('NotFound');
  } else if (verb === 'apply' || verb === 'replace' || (verb === 'create' && !rest.includes('--dry-run=client')))
    apply();
  else if (verb === 'create')
    says(JSON.stringify({ kind: 'ConfigMap', metadata: { name: rest[2] }, data: literals() }));
  else if (verb === 'get') get(rest.slice(1));
  else if (verb === 'annotate') {
    const pairs = rest.flatMap((one) => (one.includes('=') ? [one.split('=')] : []));
    const item = cluster.items[`${what}/${rest[2]}`];
    if (item) item.metadata.annotations = { ...item.metadata.annotations, ...(Object.fromEntries(pairs) as object) };
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

/** A secret as a cluster stores it: in base64. */
function stored({ stringData, ...item }: Item): Item {
  const text = (stringData ?? {}) as Record<string, string>;
  const encoded = Object.entries(text).map(([key, value]) => [key, Buffer.from(value).toString('base64')]);
  return { ...item, ...(stringData ? { data: Object.fromEntries(encoded) as unknown } : {}) };
}

function applyFolder(source: string): void {
  const text = readFileSync(path.join(source, 'kustomization.yaml'), 'utf8');
  applied.push(text);
  for (const [, resource = ''] of text.matchAll(/^ {2}- (\.\S+)$/gm)) {
    if (!existsSync(path.join(source, resource, 'kustomization.yaml'))) fails(`there is no ${resource}`);
  }
  put({ kind: 'ConfigMap', metadata: { name: 'shop' }, data: { from: text } });
}

/** `kubectl get` in the output formats that the script uses. */
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
  else if (format.includes('annotations.shop/') && kind === 'namespace')
    says(item.metadata.annotations?.[/shop\/[\w-]+/.exec(format)?.[0] ?? ''] ?? '');
  else if (format.includes('managed-by')) says(item.metadata.labels?.['app.kubernetes.io/managed-by'] ?? '');
  else if (kind === 'clusterdomainclaim') says(String(item['owner']));
  else if (format.includes('.status.phase')) says('Active');
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
