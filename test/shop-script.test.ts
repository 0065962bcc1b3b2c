import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

// ./shop.sh at a later start on a cluster, without one: what the administrator of the settings changes there.

const env = { ...process.env, NODE_OPTIONS: '' };
const encode = (text: string) => Buffer.from(text).toString('base64');

describe('the secret of the administrator', () => {
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

  test('has the e-mail and the password of the settings, and otherwise stays as it is', () => {
    expect(JSON.parse(changedBy({ ADMIN_EMAIL: '', ADMIN_PASSWORD: '' }).stdout)).toEqual(installed);
    const changed = changedBy({ ADMIN_EMAIL: 'Root@Example.org', ADMIN_PASSWORD: 'a "new" pässword' });
    expect(JSON.parse(changed.stdout)).toEqual({
      ...installed,
      data: { email: encode('root@example.org'), password: encode('a "new" pässword') },
    });
  });

  test('is not replaced by what could never log in', () => {
    const { status, stdout, stderr } = changedBy({ ADMIN_EMAIL: 'root', ADMIN_PASSWORD: 'short' });
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(/ADMIN_EMAIL: must be an e-mail address; ADMIN_PASSWORD: .*8/);
  });
});

describe('the job that migrates', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'shop-script-'));
    // a cluster of one secret and one job, which knows what it was annotated with
    writeFileSync(
      path.join(folder, 'kubectl'),
      `#!/usr/bin/env bash
      cd "${folder}"
      echo "$*" >>calls
      case "$*" in
        *"get secret admin"*) printf %s "$SECRET_VERSION" ;;
        *"get job migrate"*) printf 'image@sha256:1 %s 1' "$(cat annotated 2>/dev/null)" ;;
        *"apply -f -"*) cat >applied ;;
        *"annotate job migrate"*) grep -o 'shop/admin=[0-9]*' <<<"$*" | cut -d= -f2 >annotated ;;
      esac`,
    );
    chmodSync(path.join(folder, 'kubectl'), 0o755);
    writeFileSync(path.join(folder, 'functions.sh'), readFileSync('shop.sh', 'utf8').replace(/^main "\$@".*$/m, ''));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function ranFor(secretVersion: string): boolean {
    writeFileSync(path.join(folder, 'calls'), '');
    const script = `cd() { :; }; source ${folder}/functions.sh; existing=yes; migrate image@sha256:1`;
    const { status, stderr } = spawnSync('bash', ['-c', script], {
      encoding: 'utf8',
      env: { ...env, PATH: `${folder}:${process.env['PATH']}`, SECRET_VERSION: secretVersion },
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    return readFileSync(path.join(folder, 'calls'), 'utf8').includes('wait job/migrate');
  }

  test('runs again when the administrator was changed, and only then', () => {
    expect([ranFor('7'), ranFor('7'), ranFor('8'), ranFor('8')]).toEqual([true, false, true, false]);
    expect(readFileSync(path.join(folder, 'applied'), 'utf8')).toContain('image: image@sha256:1\n');
  });
});
