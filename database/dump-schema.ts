import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type pg from 'pg';
import { withMigratedDatabase } from './scratch.ts';

/** The committed dump. */
export const schemaFile = new URL('schema.sql', import.meta.url);

const header = `-- The schema that the migrations make. Written by \`npm run schema\`; a change begins with a migration.
-- The roles that it names belong to the server: migrations/0008_rights.sql makes them.\n`;

/**
 * The schema of a database as SQL that makes the same schema in an empty one: schemas, domains, tables with their
 * columns, constraints, storage options and indexes, comments and grants. Written from the catalogue by the server's
 * own functions, since pg_dump is no npm package and says another thing in every minor version.
 * `public` holds only the bookkeeping of the migrations and is left out. Throws when there is something that it
 * cannot write, rather than to leave it out.
 */
export async function dumpSchema(client: pg.ClientBase): Promise<string> {
  await client.query('begin isolation level repeatable read read only');
  try {
    await client.query(sameEverywhere);
    const unknown = await lines(client, notUnderstood);
    if (unknown.length > 0) throw new Error(`database/dump-schema.ts cannot write yet: ${unknown.join(', ')}`);
    const tables = await client.query<Table>(tablesOf);
    const parts = [
      (await lines(client, schemas)).join('\n'),
      ...(await lines(client, domains)),
      ...inOrder(tables.rows).map(({ sql }) => sql),
      (await lines(client, comments)).join('\n'),
      (await lines(client, grants)).join('\n'),
    ];
    return [header, ...parts.filter(Boolean).map((sql) => `${lowerCase(sql)}\n`)].join('\n');
  } finally {
    await client.query('rollback');
  }
}

interface Table {
  name: string;
  sql: string;
  /** The tables that its foreign keys name. */
  needs: string[];
}

/** Each table after those that it refers to, otherwise by name. */
function inOrder(tables: Table[]): Table[] {
  const written: Table[] = [];
  while (written.length < tables.length) {
    const done = new Set(written.map(({ name }) => name));
    const next = tables.find(
      ({ name, needs }) => !done.has(name) && needs.every((other) => done.has(other) || other === name),
    );
    if (!next) throw new Error('database/dump-schema.ts cannot write tables that refer to each other in a circle');
    written.push(next);
  }
  return written;
}

/** Postgres writes its keywords in capitals, and a name that has capitals in quotes. */
function lowerCase(sql: string): string {
  return sql.replaceAll(/'(?:[^']|'')*'|"(?:[^"]|"")*"|[^'"]+/g, (part) =>
    /^['"]/.test(part) ? part : part.toLowerCase(),
  );
}

async function lines(client: pg.ClientBase, sql: string): Promise<string[]> {
  const { rows } = await client.query<{ sql: string }>(sql);
  return rows.map((row) => row.sql);
}

// names outside pg_catalog are given with their schema, intervals and times in one form
const sameEverywhere = `
  set local search_path = pg_catalog;
  set local intervalstyle = postgres;
  set local datestyle = iso, ymd;
  set local timezone = utc`;

const ours = `
  select oid
    from pg_namespace
   where nspname !~ '^pg_' and nspname not in ('information_schema', 'public')`;

const schemas = `
  select format('create schema %I;', nspname) as sql
    from pg_namespace
   where oid in (${ours})
   order by nspname`;

const domains = `
  select format('create domain %s as %s', d.oid::regtype, format_type(d.typbasetype, d.typtypmod))
         || case when d.typcollation <> b.typcollation then ' collate ' || d.typcollation::regcollation else '' end
         || coalesce(' default ' || d.typdefault, '')
         || case when d.typnotnull then ' not null' else '' end
         || coalesce((
              select string_agg(format(e'\\n  constraint %I %s', conname, pg_get_constraintdef(oid, true)), '' order by conname)
                from pg_constraint
               where contypid = d.oid and contype = 'c'
            ), '')
         || ';' as sql
    from pg_type d
    join pg_type b on b.oid = d.typbasetype
   where d.typtype = 'd' and d.typnamespace in (${ours})
   order by d.oid::regtype::text collate "C"`;

const columnsOfTable = `
  select string_agg(
           format(e'\\n  %I %s', a.attname, format_type(a.atttypid, a.atttypmod))
           || case
                when a.attstorage = t.typstorage then ''
                else ' storage ' || case a.attstorage when 'p' then 'plain' when 'e' then 'external' when 'm' then 'main' else 'extended' end
              end
           || case when a.attcollation <> t.typcollation then ' collate ' || a.attcollation::regcollation else '' end
           || case when a.attnotnull then ' not null' else '' end
           || case a.attgenerated
                when '' then coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid, true), '')
                else format(
                  ' generated always as (%s) %s',
                  -- a case expression comes on lines of its own
                  replace(pg_get_expr(d.adbin, d.adrelid, true), e'\\n', e'\\n    '),
                  case a.attgenerated when 's' then 'stored' else 'virtual' end
                )
              end,
           ',' order by a.attnum
         )
    from pg_attribute a
    join pg_type t on t.oid = a.atttypid
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
   where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped`;

// not null (contype n, since Postgres 18) is written with its column
const constraintsOfTable = `
  select string_agg(
           format(e',\\n  constraint %I %s', conname, pg_get_constraintdef(oid, true)),
           '' order by position(contype::text in 'pufxc'), conname
         )
    from pg_constraint
   where conrelid = c.oid and contype in ('p', 'u', 'f', 'x', 'c')`;

const optionsOfTable = `
  select string_agg(replace(option, '=', ' = '), ', ' order by option)
    from (
      select unnest(c.reloptions)
       union all
      select 'toast.' || unnest(reloptions) from pg_class where oid = c.reltoastrelid
    ) as options (option)`;

const indexesOfTable = `
  select string_agg(e'\\n' || pg_get_indexdef(i.indexrelid) || ';', '' order by i.indexrelid::regclass::text collate "C")
    from pg_index i
   where i.indrelid = c.oid
     and not exists (select from pg_constraint where conindid = i.indexrelid and conrelid = c.oid)`;

const tablesOf = `
  select c.oid::regclass::text as name,
         'create ' || case c.relpersistence when 'u' then 'unlogged ' else '' end || 'table ' || c.oid::regclass || ' ('
         || coalesce((${columnsOfTable}), '')
         || coalesce((${constraintsOfTable}), '')
         || e'\\n)' || coalesce(' with (' || (${optionsOfTable}) || ')', '') || ';'
         || coalesce((${indexesOfTable}), '') as sql,
         array(
           select confrelid::regclass::text from pg_constraint where conrelid = c.oid and contype = 'f'
         ) as needs
    from pg_class c
   where c.relkind = 'r' and c.relnamespace in (${ours})
   order by c.oid::regclass::text collate "C"`;

const comments = `
  select format(
           'comment on %s %s is %L;',
           case o.type
             when 'table column' then 'column'
             when 'type' then 'domain'
             else regexp_replace(o.type, '^(table|domain) ', '')
           end,
           case o.type when 'domain constraint' then replace(o.identity, ' on ', ' on domain ') else o.identity end,
           d.description
         ) as sql
    from pg_description d
   cross join lateral pg_identify_object(d.classoid, d.objoid, d.objsubid) o
   where (d.classoid, d.objoid) in (
           select 'pg_namespace'::regclass, oid from (${ours}) as schemas
            union all
           select 'pg_class'::regclass, oid from pg_class where relnamespace in (${ours})
            union all
           select 'pg_type'::regclass, oid from pg_type where typnamespace in (${ours})
            union all
           select 'pg_constraint'::regclass, oid from pg_constraint where connamespace in (${ours})
         )
   order by o.identity collate "C", o.type`;

const grants = `
  with given (object, grantee, privilege, grantable) as (
    select 'schema ' || quote_ident(n.nspname), p.grantee, p.privilege_type, p.is_grantable
      from pg_namespace n, aclexplode(n.nspacl) p
     where n.oid in (${ours}) and p.grantee <> n.nspowner
     union all
    select 'table ' || c.oid::regclass, p.grantee, p.privilege_type, p.is_grantable
      from pg_class c, aclexplode(c.relacl) p
     where c.relkind = 'r' and c.relnamespace in (${ours}) and p.grantee <> c.relowner
     union all
    select 'table ' || c.oid::regclass, p.grantee,
           format('%s (%s)', p.privilege_type, string_agg(quote_ident(a.attname), ', ' order by a.attnum)),
           p.is_grantable
      from pg_class c
      join pg_attribute a on a.attrelid = c.oid
     cross join lateral aclexplode(a.attacl) p
     where c.relkind = 'r' and c.relnamespace in (${ours}) and p.grantee <> c.relowner
     group by c.oid, p.grantee, p.privilege_type, p.is_grantable
  )
  select format(
           'grant %s on %s to %s%s;',
           string_agg(privilege, ', ' order by privilege collate "C"),
           object,
           case grantee when 0 then 'public' else grantee::regrole::text end,
           case when grantable then ' with grant option' else '' end
         ) as sql
    from given
   group by object, grantee, grantable
   order by object collate "C", grantee::regrole::text collate "C", grantable`;

// what belongs to a schema and is neither a plain table nor a domain, and what hangs on a table beside its columns
const notUnderstood = `
  with tables as (
    select oid, relnamespace
      from pg_class
     where relkind = 'r' and not relispartition and not relrowsecurity and reloftype = 0
       and not exists (select from pg_inherits where inhrelid = pg_class.oid)
  )
  select pg_describe_object(classid, objid, objsubid) as sql
    from pg_depend
   where (
           refclassid = 'pg_namespace'::regclass
           and refobjid in (${ours} union all select 'public'::regnamespace)
           and not (classid = 'pg_class'::regclass and objid in (select oid from tables where relnamespace in (${ours})))
           and not (classid = 'pg_type'::regclass and objid in (select oid from pg_type where typtype = 'd'))
           and pg_describe_object(classid, objid, objsubid)
               not in ('table public.migrations', 'sequence public.migrations_id_seq')
         )
      or (
           refclassid = 'pg_class'::regclass
           and refobjid in (select oid from tables where relnamespace in (${ours}))
           and classid in ('pg_trigger'::regclass, 'pg_policy'::regclass, 'pg_statistic_ext'::regclass, 'pg_rewrite'::regclass)
         )
   order by 1`;

if (import.meta.main) {
  const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
  const wanted = await withMigratedDatabase(dumpSchema);
  if (!values.check) {
    await writeFile(schemaFile, wanted);
  } else if ((await readFile(schemaFile, 'utf8').catch(() => '')) !== wanted) {
    process.stderr.write('database/schema.sql is not what the migrations make: run npm run schema and commit it.\n');
    process.exitCode = 1;
  }
}
