import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import pg from 'pg';
import { connectionTo } from '#platform/database/connection.ts';

/** The role of a process that runs all functions: it has exactly the rights of every function. */
export const roleOfAll = 'shop_functions';

/** The database role of a function. Its rights are in the migrations. */
export const roleOf = (functionName: string): string => `shop_${functionName.replaceAll('-', '_')}`;

/**
 * The URL with which a role connects: the owner's, with the role's own name and password. All passwords are derived from
 * one key, made at installation, so that a new function needs no other secret.
 */
export function roleUrl(ownerUrl: string, rolesKey: string, role: string): string {
  const url = new URL(ownerUrl);
  url.username = role;
  url.password = passwordOf(rolesKey, role);
  if (url.username !== role) throw new Error('DATABASE_URL must name a host: postgres://user:password@host:port/name.');
  return url.href;
}

/**
 * Sets the password of every role that the migrations created. Safe to run again. `ownerUrl` is the URL of the user that
 * ran the migrations. The server never sees a password, only its SCRAM verifier.
 */
export async function setRolePasswords(ownerUrl: string, rolesKey: string): Promise<void> {
  const client = new pg.Client(connectionTo(ownerUrl));
  await client.connect();
  try {
    await client.query('begin');
    // two runs at once would update the same rows of the catalogue
    await client.query(`select pg_advisory_xact_lock(hashtext('shop roles'))`);
    const { rows } = await client.query<{ role: string }>(
      `
      select $1::text as role
       union all
      select r.rolname
        from pg_auth_members m
        join pg_roles r on r.oid = m.roleid
       where m.member = to_regrole($1::text)`,
      [roleOfAll],
    );
    for (const { role } of rows) {
      const verifier = pg.escapeLiteral(scramVerifier(passwordOf(rolesKey, role)));
      await client.query(`alter role ${pg.escapeIdentifier(role)} password ${verifier}`);
    }
    await client.query('commit');
  } finally {
    await client.end();
  }
}

const passwordOf = (rolesKey: string, role: string): string =>
  createHmac('sha256', rolesKey).update(role).digest('base64url');

/** What Postgres stores for a password (RFC 5803, with the 4096 rounds that Postgres uses itself). */
function scramVerifier(password: string): string {
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, 4_096, 32, 'sha256');
  const keyFor = (what: string) => createHmac('sha256', salted).update(what).digest();
  const storedKey = createHash('sha256').update(keyFor('Client Key')).digest('base64');
  return `SCRAM-SHA-256$4096:${salt.toString('base64')}$${storedKey}:${keyFor('Server Key').toString('base64')}`;
}
