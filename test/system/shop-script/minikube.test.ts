import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { functionNames } from '#local/functions.ts';
import { until } from '#test/support/until.ts';
import type { Call } from './stand-ins.ts';
import { linesOf, useScript } from './use-script.ts';

// ./shop.sh with a cluster of its own on Minikube.

const script = useScript();

test('start creates the cluster, installs Knative, builds the image in the node, deploys every function, and changes nothing when repeated', async () => {
  const first = await script.run(['start']);
  expect(first).toMatchObject({ status: 0, stderr: expect.not.stringContaining('No such file') });
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
  // functions that publish are deployed after the Broker whose address they need
  const order = first.calls.map(({ program, args }) =>
    program === 'func' ? path.basename(args[2] ?? '') : args.join(' '),
  );
  const bound = order.findIndex((line) => line.includes('wait sinkbinding'));
  expect(order.indexOf('park-event')).toBeLessThan(bound);
  expect(order.indexOf('create-order')).toBeGreaterThan(bound);

  const second = await script.run(['start']);
  expect(second.status).toBe(0);
  expect(linesOf(second.calls, 'func').filter((line) => line.startsWith('deploy'))).toEqual([]);
  expect(linesOf(second.calls, 'minikube').filter((line) => /image build|^start/.test(line))).toEqual([]);
  expect(
    second.calls.filter(({ args }) => args.some((one) => one.startsWith('https:') || one === '--server-side')),
  ).toHaveLength(1); // the functions' own secrets
});

// promise: shop-sh
test('every command uses the shop’s own context, whatever the current one is', async () => {
  await script.startOnce([]);
  delete script.standIns.cluster.items['ksvc/storefront'];
  const calls: Call[] = [];
  for (const command of ['start', 'test', 'status']) calls.push(...(await script.run([command])).calls);
  const inCluster = calls.filter(
    ({ program, args }) => ['kubectl', 'func'].includes(program) && !['config', 'version'].includes(args[0] ?? ''),
  );
  expect(inCluster.length).toBeGreaterThan(30);
  expect(new Set(inCluster.map(({ context }) => context))).toEqual(new Set(['shop']));
});

test('start applies again what Kubernetes is not ready to accept', async () => {
  script.standIns.cluster.failing = { 'serving-core': 1, kourier: 1 };
  const { status, calls } = await script.run(['start']);
  expect(status).toBe(0);
  const applied = calls.flatMap(({ args }) => args.filter((one) => one.startsWith('https:')));
  expect(applied.filter((url) => url.endsWith('serving-core.yaml'))).toHaveLength(2);
});

test('test refuses a profile whose start has failed', async () => {
  script.standIns.cluster.minikube = 'invalid';
  const { status, stderr } = await script.run(['test']);
  expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining('./shop.sh start comes first') });
  expect((await script.run(['stop'])).calls.at(-1)?.args).toEqual(['delete', '-p', 'shop']);
});

test('stop deletes the profile', async () => {
  await script.startOnce([]);
  const { status, calls } = await script.run(['stop']);
  expect(status).toBe(0);
  expect(linesOf(calls, 'minikube').at(-1)).toBe('delete -p shop');
  expect(linesOf(calls, 'kubectl').filter((line) => line.includes('delete'))).toEqual([]);
});

test('start requests less on a small machine, and fails with a reason on one that is too small', async () => {
  const startWith = async (cpus: number, gigabytes: number) => {
    Object.assign(script.standIns.cluster, { cpus, gigabytes });
    return script.run(['start']);
  };
  expect(await startWith(2, 2)).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('needs 3.5 GB of memory, and there are 2048 MB'),
  });
  const { calls } = await startWith(2, 4);
  expect(linesOf(calls, 'minikube')).toContain('start -p shop --kubernetes-version=v1.34.0 --cpus=2 --memory=4096');
});

test('test gets the addresses and credentials of the shop, and leaves no port forwarded', async () => {
  await script.startOnce([]);
  const { status } = await script.run(['test']);
  expect(status).toBe(0);
  const settings = script.standIns.calls.find(({ program }) => program === 'npm')?.input.split('\n') ?? [];
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
    () => spawnSync('pgrep', ['-f', `${script.folder}.*port-forward`]).status !== 0,
    5_000,
  );
});

test('open serves the page under a name that every browser resolves to this machine, until it is interrupted', async () => {
  await script.startOnce([]);
  const opening = spawn('bash', [script.file, 'open'], {
    env: script.environment({}),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let stdout = '';
  opening.stdout.on('data', (chunk) => (stdout += String(chunk)));
  await until('it prints the address of the page', () => stdout.includes('Ctrl-C ends this'));
  expect(stdout).toContain('http://shop.localhost:4711');
  await until('the browser opens', () => linesOf(script.standIns.calls, 'open').length > 0);
  expect(linesOf(script.standIns.calls, 'open')).toEqual(['http://shop.localhost:4711']);
  expect(opening.exitCode).toBeNull();
  const ended = once(opening, 'exit');
  opening.kill('SIGTERM');
  await ended;
  await until(
    'the forwarded ports are closed',
    () => spawnSync('pgrep', ['-f', `${script.folder}.*port-forward`]).status !== 0,
    5_000,
  );
});
