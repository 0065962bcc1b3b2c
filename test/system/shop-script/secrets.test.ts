import { spawnSync } from 'node:child_process';
import { expect, test, describe } from '@jest/globals';

// The secrets that ./shop.sh creates on a cluster.

const env = { ...process.env, NODE_OPTIONS: '' };
const encode = (text: string) => Buffer.from(text).toString('base64');

describe('the administrator’s secret', () => {
  const installed = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'admin', namespace: 'shop', resourceVersion: '7' },
    data: { email: encode('admin@example.com'), password: encode('the first password') },
  };
  const changedBy = (settings: Record<string, string>) =>
    spawnSync(process.execPath, ['knative/admin-secret.ts'], {
      input: JSON.stringify(installed),
      encoding: 'utf8',
      env: { ...env, ...settings },
    });

  test('takes the e-mail and the password from the settings, and otherwise stays unchanged', () => {
    expect(JSON.parse(changedBy({ ADMIN_EMAIL: '', ADMIN_PASSWORD: '' }).stdout)).toEqual(installed);
    const changed = changedBy({ ADMIN_EMAIL: 'Root@Example.org', ADMIN_PASSWORD: 'a "new" pässword' });
    expect(JSON.parse(changed.stdout)).toEqual({
      ...installed,
      data: { email: encode('root@example.org'), password: encode('a "new" pässword') },
    });
  });

  test('rejects credentials that could never log in', () => {
    const { status, stdout, stderr } = changedBy({ ADMIN_EMAIL: 'root', ADMIN_PASSWORD: 'short' });
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(/ADMIN_EMAIL: must be an e-mail address; ADMIN_PASSWORD: .*8/);
  });
});

describe('the secrets of an installation', () => {
  const createdAlongside = (existing: string[]) => {
    const { stdout } = spawnSync(process.execPath, ['knative/make-secrets.ts'], {
      input: existing.map((name) => `${name}\n`).join(''),
      encoding: 'utf8',
      env: { ...env, NAMESPACE: 'other' },
    });
    return (JSON.parse(stdout) as { items: { metadata: { name: string; namespace: string } }[] }).items;
  };
  const names = (existing: string[]) => createdAlongside(existing).map(({ metadata }) => metadata.name);

  test('are all created at the first start, in the chosen namespace', () => {
    const items = createdAlongside(['configmap/kube-root-ca.crt']);
    expect(items.map(({ metadata }) => metadata.name)).toEqual([
      'database',
      'event-keys',
      'token-private-key',
      'cursor-key',
      'mail',
      'admin',
      'token-public-keys',
    ]);
    expect(new Set(items.map(({ metadata }) => metadata.namespace))).toEqual(new Set(['other']));
  });

  test('are completed after an interrupted start, without replacing existing ones', () => {
    expect(names(['secret/database', 'secret/event-keys', 'secret/mail', 'secret/admin'])).toEqual([
      'token-private-key',
      'cursor-key',
      'token-public-keys',
    ]);
    const all = ['database', 'event-keys', 'token-private-key', 'cursor-key', 'mail', 'admin'].map(
      (name) => `secret/${name}`,
    );
    expect(names([...all, 'configmap/token-public-keys'])).toEqual([]);
  });

  test('include a new key pair if the public key is missing, because the private one was never used', () => {
    const most = ['database', 'event-keys', 'token-private-key', 'cursor-key', 'mail', 'admin'].map(
      (name) => `secret/${name}`,
    );
    expect(names(most)).toEqual(['token-private-key', 'token-public-keys']);
  });
});
