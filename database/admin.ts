import pg from 'pg';
import { uuidv7 } from 'uuidv7';
import { hashPassword, isPassword } from '#platform/password.ts';

/**
 * Makes sure that the administrator from the settings can log in with this password.
 * Refuses an e-mail that a customer has registered.
 */
export async function ensureAdmin(databaseUrl: string, email: string, password: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const found = await client.query<{ role: string; password_hash: string }>(
      'select role, password_hash from users.users where email = $1',
      [email],
    );
    const [user] = found.rows;
    if (user?.role === 'customer') throw new Error(`ADMIN_EMAIL ${email} belongs to a customer; choose another one.`);
    if (user && (await isPassword(password, user.password_hash))) return;
    await client.query(
      `
      insert into users.users (id, email, name, password_hash, role)
      values ($1, $2, 'Administrator', $3, 'admin')
      on conflict (email) do update
         set password_hash = excluded.password_hash
       where users.role = 'admin'`,
      [uuidv7(), email, await hashPassword(password)],
    );
  } finally {
    await client.end();
  }
}
