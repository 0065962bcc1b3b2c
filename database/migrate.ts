import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';

const folder = fileURLToPath(new URL('migrations', import.meta.url));

/**
 * Brings a database to the newest schema. Safe to run again and by several processes at once
 * (an advisory lock lets one go first). The user of `databaseUrl` needs the right to create schemas in it, and roles;
 * throws one sentence that says so.
 */
export async function migrate(databaseUrl: string): Promise<void> {
  await runner({
    databaseUrl,
    dir: folder,
    direction: 'up',
    migrationsSchema: 'public',
    migrationsTable: 'migrations',
    singleTransaction: true,
    log: () => {},
  }).catch((error: unknown) => {
    if (!(error instanceof Error) || !('code' in error) || error.code !== '42501') throw error;
    const wanted = 'The user of DATABASE_URL must own the database and have the right to create roles (createrole)';
    throw new Error(`${wanted}: ${error.message}.`, { cause: error });
  });
}
