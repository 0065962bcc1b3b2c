// Reads the secret `database` (`kubectl get -o json`) and prints a secret per function with the database address of its
// role, and one of the owner, for `kubectl apply -f -`. The passwords are derived from the key `roles-key`. DATABASE_CA
// (environment) is the PEM text of the CA of the database's certificate; if it is not set, the stored one stays.
import { randomBytes } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { roleOf, roleUrl } from '#database/roles.ts';
import { functionNames } from '#local/functions.ts';

const { metadata, data } = JSON.parse(await text(process.stdin)) as {
  metadata: { namespace: string };
  data: Record<string, string>;
};
const read = (key: string) => Buffer.from(data[key] ?? '', 'base64').toString();
const secret = (name: string, values: Record<string, string>, type = 'Opaque') => ({
  apiVersion: 'v1',
  kind: 'Secret',
  type,
  metadata: { name, namespace: metadata.namespace },
  data: Object.fromEntries(Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString('base64')])),
});

const ownerUrl = read('url');
// installations older than the roles have no key
const rolesKey = read('roles-key') || randomBytes(32).toString('base64url');
const ca = process.env['DATABASE_CA'] ?? read('ca');
const owner = new URL(ownerUrl);
const items = [
  // in the form in which CloudNativePG takes the owner of a database
  secret(
    'database-owner',
    { username: decodeURIComponent(owner.username), password: decodeURIComponent(owner.password) },
    'kubernetes.io/basic-auth',
  ),
  secret('database', { password: read('password'), url: ownerUrl, 'roles-key': rolesKey, ca }),
  ...functionNames.map((name) => secret(`database-${name}`, { url: roleUrl(ownerUrl, rolesKey, roleOf(name)), ca })),
];
process.stdout.write(`${JSON.stringify({ apiVersion: 'v1', kind: 'List', items })}\n`);
