// One step of a key rotation on a cluster, in two parts (./shop.sh keys). The secret `key-rotation` is written first
// and atomically: after an interruption the same step finds the same keys and continues.
//   accept | sign | retire   reads the keys (`kubectl get -o json`), prints the secret `key-rotation`
//   write                    reads that secret, prints the secrets and the ConfigMap of the functions
import { text } from 'node:stream/consumers';
import { isLastStep, repeatNotice, rotated, type Step } from '#local/key-rotation.ts';
import type { Keys } from '#local/secrets.ts';

interface Item {
  kind: 'Secret' | 'ConfigMap';
  metadata: { name: string; namespace: string };
  data?: Record<string, string>;
}

const input = JSON.parse(await text(process.stdin)) as Item & { items?: Item[] };
const items = input.items ?? [input];
const namespace = items[0]?.metadata.namespace ?? '';

try {
  const what = process.argv[2];
  const printed = what === 'write' ? written(installed()) : rotation(what as Step);
  process.stdout.write(`${JSON.stringify(printed)}\n`);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}

function rotation(step: Step): Item {
  const keys = installed();
  if (isLastStep(keys, step)) process.stderr.write(`${repeatNotice(step)}\n`);
  return secret('key-rotation', { keys: JSON.stringify(rotated(keys, step)) });
}

/** The keys of the last step; before the first step, those of the functions. */
function installed(): Keys {
  const stored = read('key-rotation', 'keys');
  if (stored) return JSON.parse(stored) as Keys;
  if (!read('event-keys', 'keys')) throw new Error('There are no keys yet: run ./shop.sh start first.');
  // where older versions stored it
  const next = read('token-private-key', 'next');
  return {
    EVENT_KEYS: read('event-keys', 'keys'),
    TOKEN_PRIVATE_KEY: read('token-private-key', 'key'),
    TOKEN_PUBLIC_KEYS: read('token-public-keys', 'keys'),
    ...(next && { NEXT_TOKEN_PRIVATE_KEY: next }),
  };
}

function written(keys: Keys) {
  const list = [
    secret('event-keys', { keys: keys.EVENT_KEYS }),
    secret('token-private-key', { key: keys.TOKEN_PRIVATE_KEY }),
    { ...item('ConfigMap', 'token-public-keys'), data: { keys: keys.TOKEN_PUBLIC_KEYS } },
  ];
  return { apiVersion: 'v1', kind: 'List', items: list };
}

function read(name: string, key: string): string {
  const found = items.find(({ metadata }) => metadata.name === name);
  const value = found?.data?.[key] ?? '';
  return found?.kind === 'Secret' ? Buffer.from(value, 'base64').toString() : value;
}

function secret(name: string, texts: Record<string, string>): Item {
  const encoded = Object.entries(texts).map(([key, value]) => [key, Buffer.from(value).toString('base64')] as const);
  return { ...item('Secret', name), data: Object.fromEntries(encoded) };
}

function item(kind: Item['kind'], name: string) {
  return { apiVersion: 'v1', kind, metadata: { name, namespace } };
}
