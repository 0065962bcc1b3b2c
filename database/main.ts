// Migrates the database of the settings to the newest schema, and sets the passwords of the functions' roles and of the
// administrator. `knative/migrate/job.yaml` runs it before the functions of a new image are deployed.
import { z } from 'zod';
import { ensureAdmin } from '#database/admin.ts';
import { migrate } from '#database/migrate.ts';
import { refuseSharedSessions } from '#database/pooler.ts';
import { setRolePasswords } from '#database/roles.ts';
import { databaseCa } from '#platform/database/connection.ts';
import { email } from '#platform/values/email.ts';
import { programSettings } from '#platform/runtime/settings.ts';
import { password } from '#platform/values/text.ts';

const { DATABASE_URL, DATABASE_ROLES_KEY, ADMIN_EMAIL, ADMIN_PASSWORD } = programSettings({
  DATABASE_URL: z.string(),
  DATABASE_CA: databaseCa, // refused here if invalid; each connection reads it
  DATABASE_ROLES_KEY: z.string().min(32, 'must have 32 characters or more'),
  ADMIN_EMAIL: email,
  ADMIN_PASSWORD: password,
});
await refuseSharedSessions(DATABASE_URL);
await migrate(DATABASE_URL, { report: (line) => process.stdout.write(`${line}\n`) });
await setRolePasswords(DATABASE_URL, DATABASE_ROLES_KEY);
await ensureAdmin(DATABASE_URL, ADMIN_EMAIL, ADMIN_PASSWORD);
process.stdout.write('The database is up to date.\n');
