import { readFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import type pg from 'pg';
import { connection, useDatabase } from '#test/support/database.ts';
import { dumpSchema, schemaFile } from './dump-schema.ts';
import { withEmptyDatabase } from './scratch.ts';

useDatabase();

const committed = await readFile(schemaFile, 'utf8');

test('schema.sql is what the migrations create', async () => {
  expect(committed).toBe(await dumpSchema());
});

test('schema.sql, restored into an empty database, creates what the migrations create on a real server', async () => {
  const restored = await withEmptyDatabase(async (client) => {
    await client.query(committed);
    return catalogOf(client);
  }, process.env['TEST_POSTGRES_URL']);
  const migrated = await catalogOf(await connection());
  expect(migrated.length).toBeGreaterThan(200);
  expect(restored).toEqual(migrated);
});

/** One line for each schema, table with its options, column, domain, constraint, index and grant. */
async function catalogOf(client: pg.ClientBase): Promise<string[]> {
  const { rows } = await client.query<{ line: string }>(`
    with schemas as (
      select oid, nspname, nspacl
        from pg_namespace
       where nspname !~ '^pg_' and nspname not in ('information_schema', 'public')
    ), relations as (
      select pg_class.oid, pg_class.oid::regclass::text as name, relkind, relpersistence, relacl, reloptions
        from pg_class
        join schemas on schemas.oid = relnamespace
    ), columns as (
      select name || '.' || attname as name, format_type(atttypid, atttypmod) as type, attnotnull, attgenerated,
             attstorage, attcollation, attacl, pg_get_expr(adbin, adrelid) as expression
        from relations
        join pg_attribute on attrelid = relations.oid and attnum > 0 and not attisdropped
        left join pg_attrdef on adrelid = attrelid and adnum = attnum
       where relkind <> 'i'
    )
    select format('schema %s', nspname) as line from schemas
    union all
    select format('%s %s %s %s', relkind, name, relpersistence, reloptions) from relations
    union all
    select format('column %s %s %s %s %s %s %s', name, type, attnotnull, attgenerated, attstorage, attcollation, expression)
      from columns
    union all
    select format('domain %s %s %s %s', pg_type.oid::regtype, format_type(typbasetype, typtypmod), typnotnull, typdefault)
      from pg_type
      join schemas on schemas.oid = typnamespace
     where typtype = 'd'
    union all
    select format('constraint %s %s %s', conname, conrelid::regclass, pg_get_constraintdef(pg_constraint.oid))
      from pg_constraint
      join schemas on schemas.oid = connamespace
    union all
    select indexdef from pg_indexes join schemas on nspname = schemaname
    union all
    select format('grant on %s: %s', name, grants)
      from (
        select nspname, nspacl from schemas
         union all
        select name, relacl from relations
         union all
        select name, attacl from columns
      ) as granted (name, acl)
     cross join unnest(acl) as grants
    order by line`);
  return rows.map(({ line }) => line);
}
