// One step in the rotation of an installation's keys: reads what `kubectl get -o json` says of the secrets `event-keys`
// and `token-private-key` and of the config map `token-public-keys`, prints what they are to be (./shop.sh keys).
import { text } from 'node:stream/consumers';
import { rotated, type Step } from '#local/key-rotation.ts';

interface Item {
  apiVersion: string;
  kind: 'Secret' | 'ConfigMap';
  metadata: { name: string; namespace: string };
  data: Record<string, string>;
}

const { items } = JSON.parse(await text(process.stdin)) as { items: Item[] };
const read = (name: string, key: string) => {
  const item = items.find(({ metadata }) => metadata.name === name);
  const value = item?.data[key] ?? '';
  return item?.kind === 'Secret' ? Buffer.from(value, 'base64').toString() : value;
};
const next = read('token-private-key', 'next');
const keys = {
  EVENT_KEYS: read('event-keys', 'keys'),
  TOKEN_PRIVATE_KEY: read('token-private-key', 'key'),
  TOKEN_PUBLIC_KEYS: read('token-public-keys', 'keys'),
  ...(next && { NEXT_TOKEN_PRIVATE_KEY: next }),
};
try {
  const made = rotated(keys, process.argv[2] as Step);
  const wanted: Record<string, Record<string, string>> = {
    'event-keys': { keys: made.EVENT_KEYS },
    'token-private-key': {
      key: made.TOKEN_PRIVATE_KEY,
      ...(made.NEXT_TOKEN_PRIVATE_KEY && { next: made.NEXT_TOKEN_PRIVATE_KEY }),
    },
    'token-public-keys': { keys: made.TOKEN_PUBLIC_KEYS },
  };
  const changed = items.map(({ apiVersion, kind, metadata: { name, namespace } }) => ({
    apiVersion,
    kind,
    metadata: { name, namespace },
    [kind === 'Secret' ? 'stringData' : 'data']: wanted[name],
  }));
  process.stdout.write(`${JSON.stringify({ apiVersion: 'v1', kind: 'List', items: changed })}\n`);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
