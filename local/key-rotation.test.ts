import { spawnSync } from 'node:child_process';
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

  test('first has new keys accepted, with which nothing is signed yet', () => {
    expect(accepting.EVENT_KEYS.split(',')).toEqual([EVENT_KEYS, expect.stringMatching(/^\w+:[\w-]{43}$/)]);
    expect(accepting.TOKEN_PRIVATE_KEY).toBe(TOKEN_PRIVATE_KEY);
    expect(kidsOf(accepting)).toEqual([signingKid(before), signingKid(signing)]);
  });

  test('then signs with them and still accepts the old ones', () => {
    expect(signing.EVENT_KEYS.split(',').toReversed().join()).toBe(accepting.EVENT_KEYS);
    expect(signingKid(signing)).not.toBe(signingKid(before));
    expect(signing.TOKEN_PUBLIC_KEYS).toBe(accepting.TOKEN_PUBLIC_KEYS);
    expect(signing).not.toHaveProperty('NEXT_TOKEN_PRIVATE_KEY');
  });

  test('at last knows the new ones alone, and can begin anew', () => {
    expect(after.EVENT_KEYS).toBe(signing.EVENT_KEYS.split(',')[0]);
    expect(kidsOf(after)).toEqual([signingKid(signing)]);
    expect(nextStep(after)).toBe('accept');
  });

  test('goes in this order only; the step made last is applied again, and changes nothing', () => {
    for (const [keys, turn, last] of [
      [before, 'accept', 'retire'],
      [accepting, 'sign', 'accept'],
      [signing, 'retire', 'sign'],
      [after, 'accept', 'retire'],
    ] as const) {
      expect(rotated(keys, last)).toBe(keys);
      for (const step of steps.filter((each) => each !== turn && each !== last)) {
        expect(() => rotated(keys, step)).toThrow(`The next step is "${turn}", not "${step}".`);
      }
    }
  });
});

describe('on a cluster', () => {
  const encode = (text: string) => Buffer.from(text).toString('base64');
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

  test('a step reads the keys that are installed and prints those that replace them', () => {
    const { items } = JSON.parse(run('knative/rotate-keys.ts', installed, 'accept').stdout) as {
      items: { metadata: object; stringData?: Record<string, string>; data?: Record<string, string> }[];
    };
    expect(items.map(({ metadata }) => metadata)).toEqual(
      ['event-keys', 'token-private-key', 'token-public-keys'].map((name) => ({ name, namespace: 'shop' })),
    );
    const [events, tokens, published] = items;
    expect(events?.stringData?.['keys']?.split(',')[0]).toBe(EVENT_KEYS);
    expect(tokens?.stringData).toEqual({ key: TOKEN_PRIVATE_KEY, next: expect.stringContaining('"d":') });
    expect(published?.data?.['keys']).not.toContain('"d":');
    expect(kidsOf({ ...before, TOKEN_PUBLIC_KEYS: published?.data?.['keys'] ?? '' })).toHaveLength(2);
  });

  test('a step whose turn it is not is refused in one sentence', () => {
    const { status, stdout, stderr } = run('knative/rotate-keys.ts', installed, 'sign');
    expect({ status, stdout, stderr }).toEqual({
      status: 1,
      stdout: '',
      stderr: 'The next step is "accept", not "sign".\n',
    });
  });

  test('each function gets a secret of its own for the database, always the same one', () => {
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
    const urls = items.slice(1).map(({ data }) => Buffer.from(data['url'] ?? '', 'base64').toString());
    expect(new Set(urls).size).toBe(urls.length);
    for (const each of urls) {
      expect(each).toMatch(/^postgres:\/\/shop_[a-z_]+:[\w-]{43}@postgres\.shop:5432\/shop\?sslmode=require$/);
    }
    expect(urls.join()).not.toContain('owner-password');
  });
});
