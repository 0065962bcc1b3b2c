// Generates the secrets that an installation lacks and prints them as a list for `kubectl apply --server-side -f -`; no
// file stores them. Reads the names of existing ones (`kubectl get secret,configmap -o name`), so the next start
// completes an interrupted one. An existing key is never replaced, except a private key without its public key: it was
// never used. Settings (environment): NAMESPACE, ADMIN_EMAIL, ADMIN_PASSWORD, SMTP_URL, DATABASE_URL, and DATABASE_HOST,
// the service of the database inside the cluster (postgres).
import { randomBytes } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { newSecrets } from '#local/secrets.ts';

const { env } = process;
const made = newSecrets();
const password = randomBytes(24).toString('base64url');
const namespace = env['NAMESPACE'] || 'shop';
const secret = (name: string, stringData: Record<string, string>) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, namespace },
  stringData,
});

const items = [
  secret('database', {
    password,
    url: env['DATABASE_URL'] || `postgres://shop:${password}@${env['DATABASE_HOST'] || 'postgres'}:5432/shop`,
    'roles-key': made.DATABASE_ROLES_KEY,
  }),
  secret('event-keys', { keys: made.EVENT_KEYS }),
  secret('token-private-key', { key: made.TOKEN_PRIVATE_KEY }),
  secret('cursor-key', { key: made.CURSOR_KEY }),
  secret('mail', { url: env['SMTP_URL'] || 'smtp://mail-catcher:1025' }),
  secret('admin', {
    email: env['ADMIN_EMAIL'] || 'admin@example.com',
    password: env['ADMIN_PASSWORD'] || made.adminPassword,
  }),
  {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'token-public-keys', namespace },
    data: { keys: made.TOKEN_PUBLIC_KEYS },
  },
];
const has = new Set((await text(process.stdin)).split('\n').map((name) => name.trim()));
const isThere = ({ kind, metadata }: (typeof items)[number]) => has.has(`${kind.toLowerCase()}/${metadata.name}`);
const pair = new Set(['token-private-key', 'token-public-keys']);
const hasPair = items.filter(({ metadata }) => pair.has(metadata.name)).every(isThere);
const missing = items.filter((item) => (pair.has(item.metadata.name) ? !hasPair : !isThere(item)));
process.stdout.write(`${JSON.stringify({ apiVersion: 'v1', kind: 'List', items: missing })}\n`);
