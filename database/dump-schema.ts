import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { PGlite } from '@electric-sql/pglite';
import { pgDump } from '@electric-sql/pglite-tools/pg_dump';
import { runner } from 'node-pg-migrate';
import type pg from 'pg';

/** The committed dump. */
export const schemaFile = new URL('schema.sql', import.meta.url);

const header = `-- The schema that the migrations create, as pg_dump writes it. Written by \`npm run schema\`; to change it, add a
-- migration. The roles belong to the server: migrations/0008_rights.sql creates them.

`;

/**
 * The schema that the migrations create, dumped by pg_dump without the migrations' own table in `public`. The embedded
 * Postgres comes without pg_dump, so the migrations run on PGlite (Postgres 18 in WebAssembly), which brings it.
 */
export async function dumpSchema(): Promise<string> {
  await using database = new PGlite();
  await runner({
    dbClient: { query: async (text: string) => (await database.exec(text)).at(-1) } as unknown as pg.ClientBase,
    dir: fileURLToPath(new URL('migrations', import.meta.url)),
    direction: 'up',
    migrationsTable: 'migrations',
    singleTransaction: false,
    log: () => {},
  });
  const args = ['--schema-only', '--no-owner', '--exclude-schema=public'];
  const dump = await pgDump({ pg: database, args });
  return header + tidy(await dump.text());
}

/**
 * Removes settings, comments and surplus blank lines, and writes keywords in lower case, as all SQL here is written.
 */
function tidy(dump: string): string {
  return dump
    .replaceAll(/^(--|SET |SELECT pg_catalog\.set_config).*\n/gm, '')
    .replaceAll(/\n{3,}/g, '\n\n')
    .replaceAll(/'(?:[^']|'')*'|"(?:[^"]|"")*"|[^'"]+/g, (part) => (/^['"]/.test(part) ? part : part.toLowerCase()))
    .trim()
    .concat('\n');
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
  const expected = await dumpSchema();
  if (!values.check) {
    await writeFile(schemaFile, expected);
  } else if ((await readFile(schemaFile, 'utf8').catch(() => '')) !== expected) {
    process.stderr.write('database/schema.sql is stale: run npm run schema and commit it.\n');
    process.exitCode = 1;
  }
}
