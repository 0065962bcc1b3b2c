import { statement, type Database } from '#platform/database/database.ts';

const find = statement<{ id: string; role: 'customer' | 'admin'; passwordHash: string }>(
  'log-in.find',
  `
  select id, role, password_hash as "passwordHash"
    from users.users
   where email = $1::text`,
);

/** The user with this e-mail. */
export const findUser = ({ maybeOne }: Database, email: string) => maybeOne(find, [email]);
