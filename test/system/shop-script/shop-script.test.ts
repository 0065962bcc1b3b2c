import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { functionNames } from '#local/functions.ts';
import { until } from '#test/support/until.ts';
import { putStandIns, type Call, type Cluster, type StandIns } from './stand-ins.ts';

// ./shop.sh without a cluster, on a PATH that has only what macOS has: the programs that it calls outside are
// stand-ins, which write down what they were asked (stand-ins.ts).

jest.setTimeout(120_000);

// of what macOS has in /bin and /usr/bin, as much as the script may use
const onMacos =
  'awk bash basename cat chmod cp cut date dirname env grep head kill ls mkdir mktemp mv rm sed seq sh sleep sort tail tr'.split(
    ' ',
  );

let standIns: StandIns;
let folder: string;
beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'shop script '));
  const bin = path.join(folder, 'bin');
  mkdirSync(bin);
  for (const name of onMacos)
    symlinkSync(execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim(), path.join(bin, name));
  symlinkSync(process.execPath, path.join(bin, 'node'));
  standIns = await putStandIns(bin);
  // the product, with the Node of the machine: npm brings none on macOS
  const product = path.join(folder, 'product');
  mkdirSync(path.join(product, 'node_modules'), { recursive: true });
  for (const name of readdirSync('.').filter((one) => !['node_modules', '.git'].includes(one)))
    symlinkSync(path.resolve(name), path.join(product, name));
});
afterEach(() => {
  standIns.close();
  rmSync(folder, { recursive: true, force: true });
});

const environment = (settings: Record<string, string>) => ({
  PATH: path.join(folder, 'bin'),
  HOME: folder,
  TMPDIR: folder,
  ...settings,
});

/** Runs it and gives what it said and asked. */
async function shop(args: string[], settings: Record<string, string> = {}) {
  standIns.calls = [];
  const running = spawn('bash', [path.join(folder, 'product', 'shop.sh'), ...args], {
    env: environment(settings),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [said, wrong, [status]] = await Promise.all([
    text(running.stdout),
    text(running.stderr),
    once(running, 'exit'),
  ]);
  return { status: status as number | null, said, wrong, calls: standIns.calls };
}

const linesOf = (all: Call[], program: string) =>
  all.filter((call) => call.program === program).map(({ args }) => args.join(' '));

const started = new Map<string, string>();

/** A shop that was started, once for all tests that need one. */
async function startedShop(args: string[], settings: Record<string, string> = {}): Promise<void> {
  const known = started.get(args.join(' '));
  if (known !== undefined) return void (standIns.cluster = JSON.parse(known) as Cluster);
  const { status, wrong } = await shop(['start', ...args], settings);
  if (status !== 0) throw new Error(wrong);
  started.set(args.join(' '), JSON.stringify(standIns.cluster));
}

const existing = { IMAGE_REGISTRY: 'registry.example' };

describe('on Minikube', () => {
  test('start makes the cluster, installs Knative, builds the image in the node and deploys every function; the second one changes nothing', async () => {
    const first = await shop(['start']);
    expect(first).toMatchObject({ status: 0, wrong: expect.not.stringContaining('No such file') });
    const minikube = linesOf(first.calls, 'minikube');
    expect(minikube).toContain('start -p shop --kubernetes-version=v1.34.0 --cpus=4 --memory=6144');
    const built = minikube.find((line) => line.includes('image build')) ?? '';
    const image = /-t (dev\.local\/shop:[0-9a-f]{16}) /.exec(built)?.[1] ?? '';
    expect(image).not.toBe('');
    const files = first.calls.flatMap(
      ({ args }) => /([\w-]+)\.yaml$/.exec(args.find((one) => one.startsWith('https:')) ?? '')?.[1] ?? [],
    );
    expect(files).toEqual([
      'serving-crds',
      'serving-core',
      'kourier',
      'eventing-crds',
      'eventing-core',
      'in-memory-channel',
      'mt-channel-broker',
    ]);
    const deployed = linesOf(first.calls, 'func').filter((line) => line.startsWith('deploy'));
    expect(deployed.map((line) => /\/([\w-]+) --namespace/.exec(line)?.[1]).toSorted()).toEqual(functionNames);
    for (const line of deployed) expect(line).toContain(`--namespace shop --image ${image} --build=false --push=false`);
    // those that publish come after the Broker whose address they are given
    const order = first.calls.map(({ program, args }) =>
      program === 'func' ? path.basename(args[2] ?? '') : args.join(' '),
    );
    const bound = order.findIndex((line) => line.includes('wait sinkbinding'));
    expect(order.indexOf('park-event')).toBeLessThan(bound);
    expect(order.indexOf('create-order')).toBeGreaterThan(bound);

    const second = await shop(['start']);
    expect(second.status).toBe(0);
    expect(linesOf(second.calls, 'func').filter((line) => line.startsWith('deploy'))).toEqual([]);
    expect(linesOf(second.calls, 'minikube').filter((line) => /image build|^start/.test(line))).toEqual([]);
    expect(
      second.calls.filter(({ args }) => args.some((one) => one.startsWith('https:') || one === '--server-side')),
    ).toHaveLength(1); // the functions' own secrets
  });

  // promise: shop-sh-touches-context
  test('everything goes to its own context, whatever is the current one', async () => {
    await startedShop([]);
    delete standIns.cluster.items['ksvc/storefront'];
    const asked: Call[] = [];
    for (const command of ['start', 'test', 'status']) asked.push(...(await shop([command])).calls);
    const inCluster = asked.filter(
      ({ program, args }) => ['kubectl', 'func'].includes(program) && !['config', 'version'].includes(args[0] ?? ''),
    );
    expect(inCluster.length).toBeGreaterThan(30);
    expect(new Set(inCluster.map(({ context }) => context))).toEqual(new Set(['shop']));
  });

  test('what Kubernetes is not ready to take yet is applied again', async () => {
    standIns.cluster.failing = { 'serving-core': 1, kourier: 1 };
    const { status, calls: asked } = await shop(['start']);
    expect(status).toBe(0);
    const applied = asked.flatMap(({ args }) => args.filter((one) => one.startsWith('https:')));
    expect(applied.filter((url) => url.endsWith('serving-core.yaml'))).toHaveLength(2);
  });

  test('a profile whose start has failed is no cluster', async () => {
    standIns.cluster.minikube = 'invalid';
    const { status, wrong } = await shop(['test']);
    expect({ status, wrong }).toEqual({ status: 1, wrong: expect.stringContaining('./shop.sh start comes first') });
    expect((await shop(['stop'])).calls.at(-1)?.args).toEqual(['delete', '-p', 'shop']);
  });

  test('stop removes the profile', async () => {
    await startedShop([]);
    const { status, calls: asked } = await shop(['stop']);
    expect(status).toBe(0);
    expect(linesOf(asked, 'minikube').at(-1)).toBe('delete -p shop');
    expect(linesOf(asked, 'kubectl').filter((line) => line.includes('delete'))).toEqual([]);
  });

  test('a machine with less gets less, and one with too little is told so', async () => {
    const startWith = async (cpus: number, gigabytes: number) => {
      Object.assign(standIns.cluster, { cpus, gigabytes });
      return shop(['start']);
    };
    expect(await startWith(2, 2)).toMatchObject({
      status: 1,
      wrong: expect.stringContaining('needs 3.5 GB of memory, and there are 2048 MB'),
    });
    const { calls } = await startWith(2, 4);
    expect(linesOf(calls, 'minikube')).toContain('start -p shop --kubernetes-version=v1.34.0 --cpus=2 --memory=4096');
  });

  test('test is given the ways into the shop, and leaves no way open', async () => {
    await startedShop([]);
    const { status } = await shop(['test']);
    expect(status).toBe(0);
    const settings = standIns.calls.find(({ program }) => program === 'npm')?.input.split('\n') ?? [];
    expect(settings).toEqual(
      expect.arrayContaining([
        'BASE_URL=http://127.0.0.1:4711',
        'HOST_HEADER=arch.homework',
        'MAIL_URL=http://127.0.0.1:4711',
        'ADMIN_EMAIL=admin@example.com',
        expect.stringMatching(/^ADMIN_PASSWORD=.{16,}$/),
      ]),
    );
    await until(
      'the forwarded ports are closed',
      () => spawnSync('pgrep', ['-f', `${folder}.*port-forward`]).status !== 0,
      5_000,
    );
  });

  test('open shows the page on a name that every browser finds on this machine, until it is interrupted', async () => {
    await startedShop([]);
    const opening = spawn('bash', [path.join(folder, 'product', 'shop.sh'), 'open'], {
      env: environment({}),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    opening.stdout.on('data', (chunk) => (said += String(chunk)));
    await until('it says where the page is', () => said.includes('Ctrl-C ends this'));
    expect(said).toContain('http://shop.localhost:4711');
    await until('the browser opens', () => linesOf(standIns.calls, 'open').length > 0);
    expect(linesOf(standIns.calls, 'open')).toEqual(['http://shop.localhost:4711']);
    expect(opening.exitCode).toBeNull();
    const ended = once(opening, 'exit');
    opening.kill('SIGTERM');
    await ended;
    await until(
      'the forwarded ports are closed',
      () => spawnSync('pgrep', ['-f', `${folder}.*port-forward`]).status !== 0,
      5_000,
    );
  });
});

describe('on a cluster that is there already', () => {
  test('start says which context it takes, builds and pushes the image, and deploys by its digest', async () => {
    const { status, said, calls: asked } = await shop(['start', '--existing'], existing);
    expect(status).toBe(0);
    expect(said.split('\n')[0]).toContain('context somebody-elses, namespace shop');
    expect(linesOf(asked, 'minikube')).toEqual([]);
    const deployed = linesOf(asked, 'func').find((line) => line.startsWith('deploy'));
    expect(deployed).toContain(`--image registry.example/shop@sha256:${'a'.repeat(64)} `);
    expect(
      linesOf((await shop(['start', '--existing'], existing)).calls, 'docker').filter((line) =>
        line.startsWith('build'),
      ),
    ).toEqual([]);
  });

  test('start takes another namespace and another domain', async () => {
    const { status, calls: asked } = await shop(['start', '--existing'], {
      ...existing,
      NAMESPACE: 'store',
      DOMAIN: 'store.example',
    });
    expect(status).toBe(0);
    const applied = standIns.applied.join('');
    expect(applied).toContain('namespace: store\n');
    expect(applied).toContain('"value": "store.example"');
    const elsewhere = asked.filter(
      ({ program, args }) => program === 'kubectl' && args.includes('-n') && args[args.indexOf('-n') + 1] === 'shop',
    );
    expect(elsewhere).toEqual([]);
    for (const line of linesOf(asked, 'func').filter((one) => one.startsWith('deploy')))
      expect(line).toContain('--namespace store');
  });

  // promise: shop-sh-touches-context
  test('start takes no namespace that is somebody else’s, and stop removes none', async () => {
    standIns.cluster.items['namespace/shop'] = {
      kind: 'Namespace',
      metadata: { name: 'shop', labels: { team: 'coffee' } },
    };
    expect(await shop(['start', '--existing'], existing)).toMatchObject({
      status: 1,
      wrong: expect.stringContaining("is not the shop's"),
    });
    const { status, wrong, calls: asked } = await shop(['stop', '--existing']);
    expect({ status, wrong }).toEqual({ status: 1, wrong: expect.stringContaining('it is left alone') });
    expect(linesOf(asked, 'kubectl').filter((line) => line.includes('delete'))).toEqual([]);
  });

  test('a namespace is not the shop’s because of its name, nor a domain because nobody else has asked for it', async () => {
    standIns.cluster.items['namespace/shop.sh-team'] = {
      kind: 'Namespace',
      metadata: { name: 'shop.sh-team', labels: { 'kubernetes.io/metadata.name': 'shop-sh' } },
    };
    const stopped = await shop(['stop', '--existing'], { NAMESPACE: 'shop-sh' });
    expect(linesOf(stopped.calls, 'kubectl').filter((line) => line.includes('delete'))).toEqual([]);
    standIns.cluster.items['clusterdomainclaim/arch.homework'] = {
      kind: 'ClusterDomainClaim',
      metadata: { name: 'arch.homework' },
      owner: 'first',
    };
    expect(await shop(['start', '--existing'], { ...existing, NAMESPACE: 'second' })).toMatchObject({
      status: 1,
      wrong: 'The domain arch.homework belongs to the namespace first: set DOMAIN to another one.\n',
    });
  });

  test.each([
    [{ NAMESPACE: 'Shop' }, ['start', '--existing'], 'NAMESPACE has to be'],
    [{ DOMAIN: 'my shop!' }, ['start', '--existing'], 'DOMAIN has to be'],
    [{ OVERLAY: 'gitops' }, ['start', '--existing'], 'There is no overlay gitops'],
    [{ IMAGE: 'registry.example/shop:latest' }, ['start', '--existing'], 'IMAGE has to be a reference by digest'],
    [{}, ['deploy', '../functions/sweep', '--existing'], 'Which function?'],
    [{}, ['strat'], 'Unknown: strat'],
    [{ TMPDIR: '/nonexistent' }, ['status', '--existing'], 'No temporary folder can be made'],
  ])('%j %j is refused in a sentence, and nothing is changed', async (settings, args, sentence) => {
    const { status, wrong, calls } = await shop(args, { ...existing, ...settings });
    expect({ status, wrong }).toEqual({ status: 1, wrong: expect.stringContaining(sentence) });
    expect(
      calls.filter(({ args: [verb = '', ...more] }) => ['deploy', 'delete'].includes(verb) || more.includes('delete')),
    ).toEqual([]);
    expect(readdirSync(path.join(folder, 'product'))).toContain('package.json');
  });

  // promise: shop-sh-touches-context
  test('the secrets of a start that was stopped in between are completed by the next one, and then stay', async () => {
    await startedShop(['--existing'], existing);
    const secrets = () =>
      Object.fromEntries(
        Object.entries(standIns.cluster.items).flatMap(([key, { data }]) =>
          key.startsWith('secret/') ? [[key, data]] : [],
        ),
      );
    delete standIns.cluster.items['secret/cursor-key'];
    delete standIns.cluster.items['secret/admin'];

    const before = secrets();
    expect((await shop(['start', '--existing'], existing)).status).toBe(0);
    expect(Object.keys(secrets())).toEqual(expect.arrayContaining(['secret/cursor-key', 'secret/admin']));
    expect(secrets()).toMatchObject(before);
  });

  // promise: administrator-settings-neither-orders
  test('the job that migrates runs again when the administrator was changed, and only then', async () => {
    const ran = async (settings: Record<string, string>) => {
      const { calls } = await shop(['start', '--existing'], { ...existing, ...settings });
      return linesOf(calls, 'kubectl').some((line) => line.includes('wait job/migrate'));
    };
    const changed = { ADMIN_PASSWORD: 'another password' };
    expect([await ran({}), await ran({}), await ran(changed), await ran(changed)]).toEqual([true, false, true, false]);
  });

  test('without being told, test and stop find it on the current cluster; stop says what it removes and can be called again', async () => {
    await startedShop(['--existing'], existing);
    expect((await shop(['test'])).status).toBe(0);
    const stopped = await shop(['stop']);
    expect(stopped).toMatchObject({
      status: 0,
      said: expect.stringMatching(/context somebody-elses.*\n.*removing the shop[^]*The shop is gone/),
    });
    expect(linesOf(stopped.calls, 'kubectl')).toContain('delete namespace shop --ignore-not-found --wait=false');
    expect(await shop(['stop', '--existing'])).toMatchObject({
      status: 0,
      said: expect.stringContaining('the shop is gone'),
    });
  });
});

test('what is missing on this machine is said at once, with the command that installs it', async () => {
  for (const name of ['kubectl', 'minikube', 'func']) rmSync(path.join(folder, 'bin', name));
  const { status, wrong } = await shop(['start']);
  expect(status).toBe(1);
  expect(wrong).toContain('kubectl: brew install kubernetes-cli');
  expect(wrong).toContain('func: brew install knative-extensions/kn-plugins/func');
  expect(wrong).toContain('minikube: brew install minikube');
});

test('doctor tells what it found', async () => {
  await startedShop(['--existing'], existing);
  const { status, said } = await shop(['doctor']);
  expect(status).toBe(0);
  expect(said).toMatch(/macos[^]*kubectl: .*bin\/kubectl[^]*context somebody-elses/);
});

describe('the script itself', () => {
  const script = readFileSync('shop.sh', 'utf8');

  test('uses nothing that bash 3.2 or the tools of macOS do not have', async () => {
    // what came with bash 4 and 5, and what only GNU has
    const newer = [
      /\b(mapfile|readarray|coproc)\b/,
      /declare -[Ag]/,
      /local -n/,
      /\bwait -n/,
      /\$\{\w+(,,|\^\^|@)/,
      /&>>|\|&/,
      /;;&/,
      /\bEPOCH/,
      /\bBASHPID/,
      /(^|[\s|(])timeout \d|\b(sha256sum|realpath|readlink -f|nproc|tac|stdbuf)\b/,
      /sed (-i|-r)/,
      /grep (-P|-oP)/,
      /date -d/,
      /\bbase64 -\w/,
      /xargs/,
      /\bstat -c/,
      /\bcp -t/,
      /head -n -/,
    ];
    const code = script.replaceAll(/^\s*#.*$/gm, '');
    expect(newer.flatMap((pattern) => pattern.exec(code)?.[0] ?? [])).toEqual([]);
    // an empty array under `set -u` is an error in bash 3.2
    expect(code).not.toMatch(/\w+=\(\)/);
  });

  const shellcheck = spawnSync('shellcheck', ['--version']);
  (shellcheck.error ? test.skip : test)('passes shellcheck', () => {
    const { stdout } = spawnSync('shellcheck', ['-S', 'warning', 'shop.sh', 'platform/runtime/init.sh', '.ci/run'], {
      encoding: 'utf8',
    });
    expect(stdout).toBe('');
  });
});
