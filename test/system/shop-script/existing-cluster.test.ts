import { readdirSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { existing, linesOf, useScript } from './use-script.ts';

// ./shop.sh --existing: on the current cluster of the machine.

const script = useScript();

test('start prints the context that it uses, builds and pushes the image, and deploys it by digest', async () => {
  const { status, stdout, calls } = await script.run(['start', '--existing'], existing);
  expect(status).toBe(0);
  expect(stdout.split('\n')[0]).toContain('context other-cluster, namespace shop');
  expect(linesOf(calls, 'minikube')).toEqual([]);
  const deployed = linesOf(calls, 'func').find((line) => line.startsWith('deploy'));
  expect(deployed).toContain(`--image registry.example/shop@sha256:${'a'.repeat(64)} `);
  expect(
    linesOf((await script.run(['start', '--existing'], existing)).calls, 'docker').filter((line) =>
      line.startsWith('build'),
    ),
  ).toEqual([]);
});

test('start uses another namespace and another domain if they are set', async () => {
  const { status, calls } = await script.run(['start', '--existing'], {
    ...existing,
    NAMESPACE: 'store',
    DOMAIN: 'store.example',
  });
  expect(status).toBe(0);
  const applied = script.standIns.applied.join('');
  expect(applied).toContain('namespace: store\n');
  expect(applied).toContain('"value": "store.example"');
  const elsewhere = calls.filter(
    ({ program, args }) => program === 'kubectl' && args.includes('-n') && args[args.indexOf('-n') + 1] === 'shop',
  );
  expect(elsewhere).toEqual([]);
  for (const line of linesOf(calls, 'func').filter((one) => one.startsWith('deploy')))
    expect(line).toContain('--namespace store');
});

// promise: shop-sh
test('start uses no namespace that is not the shop’s, and stop deletes none', async () => {
  script.standIns.cluster.items['namespace/shop'] = {
    kind: 'Namespace',
    metadata: { name: 'shop', labels: { team: 'coffee' } },
  };
  expect(await script.run(['start', '--existing'], existing)).toMatchObject({
    status: 1,
    stderr: expect.stringContaining("is not the shop's"),
  });
  const { status, stderr, calls } = await script.run(['stop', '--existing']);
  expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining('it is left alone') });
  expect(linesOf(calls, 'kubectl').filter((line) => line.includes('delete'))).toEqual([]);
});

test('start and stop recognise the shop’s namespace and domain by their owner, not by their name', async () => {
  script.standIns.cluster.items['namespace/shop.sh-team'] = {
    kind: 'Namespace',
    metadata: { name: 'shop.sh-team', labels: { 'kubernetes.io/metadata.name': 'shop-sh' } },
  };
  const stopped = await script.run(['stop', '--existing'], { NAMESPACE: 'shop-sh' });
  expect(linesOf(stopped.calls, 'kubectl').filter((line) => line.includes('delete'))).toEqual([]);
  script.standIns.cluster.items['clusterdomainclaim/arch.homework'] = {
    kind: 'ClusterDomainClaim',
    metadata: { name: 'arch.homework' },
    owner: 'first',
  };
  expect(await script.run(['start', '--existing'], { ...existing, NAMESPACE: 'second' })).toMatchObject({
    status: 1,
    stderr: 'The domain arch.homework belongs to the namespace first: set DOMAIN to another one.\n',
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
])('refuses %j %j with one sentence, and changes nothing', async (settings, args, sentence) => {
  const { status, stderr, calls } = await script.run(args, { ...existing, ...settings });
  expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining(sentence) });
  expect(
    calls.filter(({ args: [verb = '', ...more] }) => ['deploy', 'delete'].includes(verb) || more.includes('delete')),
  ).toEqual([]);
  expect(readdirSync(path.join(script.folder, 'product'))).toContain('package.json');
});

// promise: shop-sh
test('start completes the secrets of an interrupted start, and never changes existing ones', async () => {
  await script.startOnce(['--existing'], existing);
  const secrets = () =>
    Object.fromEntries(
      Object.entries(script.standIns.cluster.items).flatMap(([key, { data }]) =>
        key.startsWith('secret/') ? [[key, data]] : [],
      ),
    );
  delete script.standIns.cluster.items['secret/cursor-key'];
  delete script.standIns.cluster.items['secret/admin'];

  const before = secrets();
  expect((await script.run(['start', '--existing'], existing)).status).toBe(0);
  expect(Object.keys(secrets())).toEqual(expect.arrayContaining(['secret/cursor-key', 'secret/admin']));
  expect(secrets()).toMatchObject(before);
});

// promise: administrator
test('start runs the migration job again only after the administrator has changed', async () => {
  const ran = async (settings: Record<string, string>) => {
    const { calls } = await script.run(['start', '--existing'], { ...existing, ...settings });
    return linesOf(calls, 'kubectl').some((line) => line.includes('wait job/migrate'));
  };
  const changed = { ADMIN_PASSWORD: 'another password' };
  expect([await ran({}), await ran({}), await ran(changed), await ran(changed)]).toEqual([true, false, true, false]);
});

test('test and stop find the shop on the current cluster by themselves; stop prints what it removes and can be repeated', async () => {
  await script.startOnce(['--existing'], existing);
  expect((await script.run(['test'])).status).toBe(0);
  const stopped = await script.run(['stop']);
  expect(stopped).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/context other-cluster.*\n.*removing the shop[^]*The shop is gone/),
  });
  expect(linesOf(stopped.calls, 'kubectl')).toContain('delete namespace shop --ignore-not-found --wait=false');
  expect(await script.run(['stop', '--existing'])).toMatchObject({
    status: 0,
    stdout: expect.stringContaining('the shop is gone'),
  });
});
