import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { nextStep, rotated, steps } from '#local/key-rotation.ts';
import { newSecrets, type Keys } from '#local/secrets.ts';

const { EVENT_KEYS, TOKEN_PRIVATE_KEY, TOKEN_PUBLIC_KEYS } = newSecrets();
const before: Keys = { EVENT_KEYS, TOKEN_PRIVATE_KEY, TOKEN_PUBLIC_KEYS };

const kidsOf = ({ TOKEN_PUBLIC_KEYS: keys }: Keys) =>
  (JSON.parse(keys) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid);
const signingKid = ({ TOKEN_PRIVATE_KEY: key }: Keys) => (JSON.parse(key) as { kid: string }).kid;

describe('a rotation', () => {
  const accepting = rotated(before, 'accept');
  const signing = rotated(accepting, 'sign');
  const after = rotated(signing, 'retire');

  test('first accepts new keys, and signs nothing with them yet', () => {
    expect(accepting.EVENT_KEYS.split(',')).toEqual([EVENT_KEYS, expect.stringMatching(/^\w+:[\w-]{43}$/)]);
    expect(accepting.TOKEN_PRIVATE_KEY).toBe(TOKEN_PRIVATE_KEY);
    expect(kidsOf(accepting)).toEqual([signingKid(before), signingKid(signing)]);
  });

  test('then signs with the new keys and still accepts the old ones', () => {
    expect(signing.EVENT_KEYS.split(',').toReversed().join()).toBe(accepting.EVENT_KEYS);
    expect(signingKid(signing)).not.toBe(signingKid(before));
    expect(signing.TOKEN_PUBLIC_KEYS).toBe(accepting.TOKEN_PUBLIC_KEYS);
    expect(signing).not.toHaveProperty('NEXT_TOKEN_PRIVATE_KEY');
  });

  test('finally accepts only the new keys, and can start again', () => {
    expect(after.EVENT_KEYS).toBe(signing.EVENT_KEYS.split(',')[0]);
    expect(kidsOf(after)).toEqual([signingKid(signing)]);
    expect(nextStep(after)).toBe('accept');
  });

  test('allows the steps only in this order', () => {
    for (const [keys, turn, made] of [
      [before, 'accept', undefined],
      [accepting, 'sign', 'accept'],
      [signing, 'retire', 'sign'],
      [after, 'accept', 'retire'],
    ] as const) {
      for (const step of steps.filter((each) => each !== turn && each !== made)) {
        expect(() => rotated(keys, step)).toThrow(`The next step is "${turn}", not "${step}".`);
      }
    }
  });

  // promise: signed-refusals
  test('repeats a step that may not have reached every function, with the same keys', () => {
    expect(rotated(accepting, 'accept')).toEqual(accepting);
    expect(rotated(signing, 'sign')).toEqual(signing);
    expect(rotated(after, 'retire')).toEqual(after);
  });

  test('continues the rotation of an older version, which did not record the step', () => {
    const { ROTATION_STEP: _accept, ...accepted } = accepting;
    const { ROTATION_STEP: _sign, ...signed } = signing;
    expect([accepted, signed].map(nextStep)).toEqual(['sign', 'retire']);
    expect(rotated(accepted, 'accept')).toEqual(accepted);
  });
});

// stores each object in a file next to it, and fails halfway through the command FAIL_AT
const kubectl = `#!/usr/bin/env bash
cd "$(dirname "$0")"
case "$* " in
  "config current-context "*) echo here ;;
  *" -o json "*)
    separator=
    printf '{"items":['
    for name in event-keys token-private-key token-public-keys key-rotation; do
      [ ! -e $name ] || { printf %s "$separator"; cat $name; separator=,; }
    done
    printf ']}' ;;
  "apply "* | "replace "*)
    [[ "$* " != "$FAIL_AT "* || $FAIL_AT != apply ]] || exit 1
    node -e '
      const { FAIL_AT } = process.env;
      const [verb] = process.argv.slice(1);
      const given = JSON.parse(fs.readFileSync(process.argv.at(-1)));
      const items = (given.items ?? [given]).slice(0, verb === FAIL_AT ? 1 : 9);
      for (const item of items) fs.writeFileSync(item.metadata.name, JSON.stringify(item));
      process.exit(verb === FAIL_AT ? 1 : 0);
    ' "$@" ;;
  *" get ksvc "*) printf 'service/one\\nservice/two\\n' ;;
  *" patch "*)
    echo "$4" >>patched
    [ "$FAIL_AT" != patch ] || { rm patched; exit 1; } ;;
esac
`;

describe('on a cluster', () => {
  const encode = (text: string) => Buffer.from(text).toString('base64');
  const decode = (text = '') => Buffer.from(text, 'base64').toString();
  const item = (kind: string, name: string, data: Record<string, string>) => ({
    apiVersion: 'v1',
    kind,
    metadata: { name, namespace: 'shop', resourceVersion: '7' },
    data,
  });
  const installed = {
    items: [
      item('Secret', 'event-keys', { keys: encode(EVENT_KEYS) }),
      item('Secret', 'token-private-key', { key: encode(TOKEN_PRIVATE_KEY) }),
      item('ConfigMap', 'token-public-keys', { keys: TOKEN_PUBLIC_KEYS }),
    ],
  };
  const run = (file: string, input: unknown, ...args: string[]) =>
    spawnSync(process.execPath, [file, ...args], {
      input: JSON.stringify(input),
      encoding: 'utf8',
      env: { ...process.env, NODE_OPTIONS: '' },
    });

  test('a step reads the installed keys and prints their replacements', () => {
    const rotation = JSON.parse(run('knative/rotate-keys.ts', installed, 'accept').stdout) as object;
    expect(rotation).toMatchObject({ kind: 'Secret', metadata: { name: 'key-rotation', namespace: 'shop' } });
    const { items } = JSON.parse(run('knative/rotate-keys.ts', rotation, 'write').stdout) as {
      items: { metadata: object; data: Record<string, string> }[];
    };
    expect(items.map(({ metadata }) => metadata)).toEqual(
      ['event-keys', 'token-private-key', 'token-public-keys'].map((name) => ({ name, namespace: 'shop' })),
    );
    const [events, tokens, published] = items;
    expect(decode(events?.data['keys']).split(',')).toEqual([EVENT_KEYS, expect.any(String)]);
    expect(tokens?.data).toEqual({ key: encode(TOKEN_PRIVATE_KEY) });
    expect(published?.data['keys']).not.toContain('"d":');
    expect(kidsOf({ ...before, TOKEN_PUBLIC_KEYS: published?.data['keys'] ?? '' })).toHaveLength(2);
  });

  // promise: signed-refusals
  test.each(['apply', 'replace', 'patch'])(
    'a step that was interrupted at "kubectl %s" is completed when it is repeated',
    (verb) => {
      const cluster = mkdtempSync(path.join(tmpdir(), 'cluster-'));
      for (const each of installed.items) writeFileSync(path.join(cluster, each.metadata.name), JSON.stringify(each));
      writeFileSync(path.join(cluster, 'kubectl'), kubectl, { mode: 0o755 });
      const accept = (failAt: string) =>
        spawnSync('bash', ['shop.sh', 'keys', 'accept', '--existing'], {
          encoding: 'utf8',
          env: { ...process.env, NODE_OPTIONS: '', FAIL_AT: failAt, PATH: `${cluster}:${process.env['PATH']}` },
        });
      const storedKeys = (name: string) => {
        const { data } = JSON.parse(readFileSync(path.join(cluster, name), 'utf8')) as { data: Record<string, string> };
        return decode(data['keys']);
      };
      expect(accept(verb).status).not.toBe(0);
      const again = accept('none');
      expect(again).toMatchObject({ status: 0, stdout: expect.stringContaining('Every function has the keys') });
      expect(again.stderr.includes('was made before')).toBe(verb !== 'apply');
      const { EVENT_KEYS: wanted } = JSON.parse(storedKeys('key-rotation')) as Keys;
      expect(wanted.split(',')).toEqual([EVENT_KEYS, expect.any(String)]);
      expect(storedKeys('event-keys')).toBe(wanted);
      expect(readFileSync(path.join(cluster, 'patched'), 'utf8')).toBe('service/one\nservice/two\n');
      rmSync(cluster, { recursive: true });
    },
  );

  test('a step out of order is refused in one sentence', () => {
    const { status, stdout, stderr } = run('knative/rotate-keys.ts', installed, 'retire');
    expect({ status, stdout, stderr }).toEqual({
      status: 1,
      stdout: '',
      stderr: 'The next step is "accept", not "retire".\n',
    });
  });

  test('each function gets its own database secret, the same one every time', () => {
    const url = 'postgres://shop:owner-password@postgres.shop:5432/shop?sslmode=require';
    const key = 'k'.repeat(43);
    const database = {
      metadata: { namespace: 'shop' },
      data: { url: encode(url), password: encode('owner-password'), 'roles-key': encode(key) },
    };
    const { stdout } = run('knative/database-secrets.ts', database);
    expect(run('knative/database-secrets.ts', database).stdout).toBe(stdout);
    const { items } = JSON.parse(stdout) as {
      items: { metadata: { name: string }; data: Record<string, string> }[];
    };
    expect(items.map(({ metadata }) => metadata.name)).toEqual(
      expect.arrayContaining(['database', 'database-log-in', 'database-storefront', 'database-charge-account']),
    );
    const functions = items.filter(({ metadata }) => !['database', 'database-owner'].includes(metadata.name));
    const urls = functions.map(({ data }) => Buffer.from(data['url'] ?? '', 'base64').toString());
    expect(new Set(urls).size).toBe(urls.length);
    for (const each of urls) {
      expect(each).toMatch(/^postgres:\/\/shop_[a-z_]+:[\w-]{43}@postgres\.shop:5432\/shop\?sslmode=require$/);
    }
    expect(urls.join()).not.toContain('owner-password');
  });
});
