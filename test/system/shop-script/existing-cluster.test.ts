import { readdirSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, test } from '@jest/globals';
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
  [{}, ['start', '--existing', 'databse-ha'], 'Components: broker-jetstream broker-kafka database-ha smtp-external'],
  [{}, ['start', '--existing', '../base'], 'Unknown: ../base'],
  [{}, ['start', '--existing', 'broker-kafka', 'broker-jetstream'], 'A shop has one Broker'],
  [{}, ['start', '--existing', 'broker-kafka'], 'there is no ConfigMap knative-eventing/kafka-broker-config'],
  [{}, ['start', '--existing', 'broker-jetstream'], 'no ConfigMap knative-eventing/config-br-jetstream-channel'],
  [{}, ['start', '--existing', 'smtp-external'], 'smtp-external: set SMTP_URL'],
  [{ POSTGRES_IMAGE: 'a.example:80/postgres' }, ['start', '--existing', 'database-ha'], 'has to start with the major'],
  [{ POSTGRES_IMAGE: 'a.example/pg@sha256:1' }, ['start', '--existing', 'database-ha'], 'also before a digest'],
  [{ DATABASE_URL: 'postgres://x' }, ['start', '--existing', 'database-ha'], 'are for a database of your own'],
  [{ MIN_INSTANCES: '5' }, ['start', '--existing'], 'MIN_INSTANCES has to be'],
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

describe('components', () => {
  const named = ['database-ha', 'broker-jetstream', 'smtp-external'];
  const secretOf = (name: string, key: string) => {
    const data = script.standIns.cluster.items[`secret/${name}`]?.['data'] as Record<string, string> | undefined;
    return Buffer.from(data?.[key] ?? '', 'base64').toString();
  };
  const start = (args: string[], settings: Record<string, string> = {}) =>
    script.run(['start', '--existing', ...args], { ...existing, SMTP_URL: 'smtps://mail.example', ...settings });

  beforeEach(() => {
    const data = { 'ca.crt': Buffer.from('the CA').toString('base64') };
    script.standIns.cluster.items['secret/postgres-ca'] = { kind: 'Secret', metadata: { name: 'postgres-ca' }, data };
    const name = 'config-br-jetstream-channel';
    script.standIns.cluster.items[`configmap/${name}`] = { kind: 'ConfigMap', metadata: { name } };
  });

  // promise: shop-sh
  test('are installed by name, stay at a later start, and change only with a new shop', async () => {
    const settings = { POSTGRES_IMAGE: 'a.example/postgres:17@sha256:1', POSTGRES_UID: '999' };
    expect(await start(named, { ...settings, MIN_INSTANCES: '2' })).toMatchObject({ status: 0 });
    const first = script.standIns.applied.join('');
    for (const name of named) expect(first).toMatch(new RegExp(`- \\S*knative/components/${name}\\n`));
    expect(first).toContain('"/spec/imageName", "value": "a.example/postgres:17@sha256:1"');
    expect(first).toContain('"/spec/postgresUID", "value": 999');

    script.standIns.applied.length = 0;
    const again = await start([], settings);
    expect(again).toMatchObject({ status: 0, stdout: expect.stringContaining('broker-jetstream database-ha') });
    expect(script.standIns.applied.join('')).toContain('knative/components/database-ha\n');
    expect(linesOf(again.calls, 'func').filter((line) => line.startsWith('deploy'))).toEqual([]);

    const other = await start(['database-ha']);
    expect(other).toMatchObject({ status: 1, stderr: expect.stringContaining('they cannot be changed') });
  });

  test('database-ha: the functions get the service, the owner and the CA of the operator’s cluster', async () => {
    const { status, calls } = await start(['database-ha']);
    expect(status).toBe(0);
    expect(new URL(secretOf('database', 'url')).host).toBe('postgres-rw:5432');
    expect(secretOf('database-owner', 'password')).toBe(secretOf('database', 'password'));
    for (const name of ['database', 'database-create-order']) expect(secretOf(name, 'ca')).toBe('the CA');
    const kubectl = linesOf(calls, 'kubectl');
    const first = (part: string) => kubectl.findIndex((line) => line.includes(part));
    expect(first('wait clusters.postgresql.cnpg.io/postgres')).toBeLessThan(first('get secret postgres-ca'));
    expect(first('get secret postgres-ca')).toBeLessThan(first('wait job/migrate'));

    // a renewed CA
    const data = { 'ca.crt': Buffer.from('the next CA').toString('base64') };
    script.standIns.cluster.items['secret/postgres-ca'] = { kind: 'Secret', metadata: { name: 'postgres-ca' }, data };
    const renewed = await start([]);
    expect(secretOf('database-create-order', 'ca')).toBe('the next CA');
    expect(linesOf(renewed.calls, 'func').filter((line) => line.startsWith('deploy')).length).toBeGreaterThan(10);
  });

  test('smtp-external: test reads mails only at MAIL_URL', async () => {
    expect(await start(['smtp-external'])).toMatchObject({ status: 0 });
    const mailUrls = async (settings: Record<string, string>) => {
      const { calls } = await script.run(['test', '--existing'], settings);
      expect(linesOf(calls, 'kubectl').filter((line) => /port-forward.*mail-catcher/.test(line))).toEqual([]);
      return calls.flatMap(({ program, input }) =>
        program === 'npm' ? (/^MAIL_URL=(.*)$/m.exec(input)?.[1] ?? []) : [],
      );
    };
    expect(await mailUrls({})).toEqual(['']);
    expect(await mailUrls({ MAIL_URL: 'http://mail.example' })).toEqual(['http://mail.example']);
  });

  test('stop deletes the database cluster before its pods, which would be created again', async () => {
    expect(await start(['database-ha'])).toMatchObject({ status: 0 });
    const { status, calls } = await script.run(['stop', '--existing']);
    expect(status).toBe(0);
    const lines = linesOf(calls, 'kubectl');
    const cluster = lines.findIndex((line) => line.includes('delete clusters.postgresql.cnpg.io --all'));
    expect(cluster).toBeGreaterThan(0);
    expect(cluster).toBeLessThan(lines.findIndex((line) => line.includes('delete pod --all')));
  });
});
