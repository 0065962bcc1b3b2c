import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';

const folder = fileURLToPath(new URL('migrations', import.meta.url));

/**
 * Brings a database to the newest schema. Safe to run again and by several processes at once
 * (an advisory lock lets one go first). `databaseUrl` needs the right to create schemas.
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
  });
}
