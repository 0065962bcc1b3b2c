import pg from 'pg';
import { uuidv7 } from 'uuidv7';
import { createPasswords } from '#platform/values/password.ts';
import { connectionTo } from '#platform/database/connection.ts';

interface AdminCandidate {
  email: string;
  role: 'customer' | 'admin';
  was_admin: boolean;
  password_hash: string;
}

/**
 * Makes the user with this e-mail and password, both normalized, the only administrator. A former administrator becomes
 * a customer; a token issued before keeps its role for up to 15 minutes. Throws if the e-mail belongs to a customer.
 */
export async function ensureAdmin(databaseUrl: string, email: string, password: string): Promise<void> {
  const passwords = createPasswords();
  const client = new pg.Client(connectionTo(databaseUrl));
  await client.connect();
  try {
    const { rows } = await client.query<AdminCandidate>(
      `select email, role, was_admin, password_hash from users.users where email = $1 or role = 'admin'`,
      [email],
    );
    const user = rows.find((row) => row.email === email);
    if (user?.role === 'customer' && !user.was_admin) {
      throw new Error(`ADMIN_EMAIL ${email} belongs to a customer; choose another one.`);
    }
    const isAsWanted = rows.length === 1 && user?.role === 'admin';
    if (isAsWanted && (await passwords.matches(password, user.password_hash))) return;
    await changeAdmin(client, email, await passwords.hash(password));
  } finally {
    await client.end();
  }
}

async function changeAdmin(client: pg.Client, email: string, passwordHash: string): Promise<void> {
  await client.query('begin');
  await client.query(
    `
    update users.users
       set role = 'customer',
           was_admin = true
     where role = 'admin'
       and email <> $1`,
    [email],
  );
  const { rowCount } = await client.query(
    `
    insert into users.users (id, email, name, password_hash, role)
    values ($1, $2, 'Administrator', $3, 'admin')
    on conflict (email) do update
       set password_hash = excluded.password_hash,
           role = 'admin'
     where users.role = 'admin'
        or users.was_admin`,
    [uuidv7(), email, passwordHash],
  );
  // a customer has registered it in the meantime; without a commit the former administrator stays
  if (rowCount === 0) throw new Error(`ADMIN_EMAIL ${email} belongs to a customer; choose another one.`);
  await client.query('commit');
}
