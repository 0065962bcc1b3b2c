// Prints the secrets of a new installation for `kubectl create -f -`: made here, never kept in a file.
// With names as arguments only those, which a newer version needs.
// ADMIN_EMAIL, ADMIN_PASSWORD, SMTP_URL and DATABASE_URL are taken from the environment if they are set.
import { randomBytes } from 'node:crypto';
import { newSecrets } from '#local/secrets.ts';

const { env } = process;
const made = newSecrets();
const password = randomBytes(24).toString('base64url');
const namespace = 'shop';
const secret = (name: string, stringData: Record<string, string>) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, namespace },
  stringData,
});

const items = [
  secret('database', {
    password,
    url: env['DATABASE_URL'] ?? `postgres://shop:${password}@postgres.shop.svc.cluster.local:5432/shop`,
    'roles-key': made.DATABASE_ROLES_KEY,
  }),
  secret('event-keys', { keys: made.EVENT_KEYS }),
  secret('token-private-key', { key: made.TOKEN_PRIVATE_KEY }),
  secret('cursor-key', { key: made.CURSOR_KEY }),
  secret('mail', { url: env['SMTP_URL'] ?? 'smtp://mail-catcher.shop.svc.cluster.local:1025' }),
  secret('admin', {
    email: env['ADMIN_EMAIL'] ?? 'admin@example.com',
    password: env['ADMIN_PASSWORD'] ?? made.adminPassword,
  }),
  {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'token-public-keys', namespace },
    data: { keys: made.TOKEN_PUBLIC_KEYS },
  },
];
const names = process.argv.slice(2);
const wanted = items.filter(({ metadata }) => names.length === 0 || names.includes(metadata.name));
process.stdout.write(`${JSON.stringify({ apiVersion: 'v1', kind: 'List', items: wanted })}\n`);
