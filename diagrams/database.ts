import type pg from 'pg';
import { header, quoted } from './d2.ts';

export interface Table {
  schema: string;
  name: string;
  columns: Column[];
}

interface Column {
  name: string;
  type: string;
  /** `PK`, `FK`, `UK`; in a key of several columns with its position: `UK 1/2`. */
  keys: string[];
  /** The columns that it references by foreign keys. */
  references: Reference[];
}

interface Reference {
  schema: string;
  table: string;
  column: string;
}

/** The tables of all schemas but `public`, which holds the bookkeeping of the migrations. */
export async function readTables(client: pg.ClientBase): Promise<Table[]> {
  const { rows } = await client.query<Table>(`
    select n.nspname as schema, c.relname as name, json_agg(columns.one order by columns.number) as columns
      from pg_class c
      join pg_namespace n on n.oid = c.relnamespace
     cross join lateral (
       select a.attnum as number,
              json_build_object(
                'name', a.attname,
                'type', format_type(a.atttypid, a.atttypmod) || case when a.attnotnull then '' else ' null' end,
                'keys', coalesce(
                  json_agg(
                    case k.contype when 'p' then 'PK' when 'f' then 'FK' else 'UK' end
                    || case
                         when cardinality(k.conkey) = 1 then ''
                         else format(' %s/%s', array_position(k.conkey, a.attnum), cardinality(k.conkey))
                       end
                    order by position(k.contype::text in 'puf'), k.conname
                  ) filter (where k.oid is not null),
                  '[]'
                ),
                'references', coalesce(
                  json_agg(
                    json_build_object('schema', fn.nspname, 'table', f.relname, 'column', fa.attname) order by k.conname
                  ) filter (where fa.attname is not null),
                  '[]'
                )
              ) as one
         from pg_attribute a
         left join pg_constraint k on k.conrelid = c.oid and k.contype in ('p', 'u', 'f') and a.attnum = any (k.conkey)
         left join pg_class f on f.oid = k.confrelid
         left join pg_namespace fn on fn.oid = f.relnamespace
         left join pg_attribute fa
                on fa.attrelid = f.oid and fa.attnum = k.confkey[array_position(k.conkey, a.attnum)]
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        group by a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull
     ) as columns
     where c.relkind = 'r' and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'public')
     group by n.nspname, c.relname
     order by n.nspname, c.relname`);
  return rows;
}

/**
 * The database as a diagram: one box per schema, one line per foreign key. No foreign key crosses schemas; a column
 * that is named after another table (`user_id`) is labeled with that table.
 */
export function databaseSource(tables: Table[]): string {
  const schemas = [...new Set(tables.map(({ schema }) => schema))];
  return [header, style, ...schemas.flatMap((schema) => box(schema, tables)), ''].join('\n');
}

const style = `grid-rows: 2
grid-gap: 24
style.fill: "#FFFFFF"
classes: {
  schema: {style: {fill: "#F6F8FA"; stroke: "#D1D9E0"; border-radius: 8; font-size: 26; font-color: "#1F2328"; bold: true}}
  table: {shape: sql_table; style: {fill: "#0969DA"; stroke: "#FFFFFF"; font-color: "#FFFFFF"; font-size: 22}}
  key: {style: {stroke: "#0969DA"; stroke-width: 2}}
}`;

function box(schema: string, all: Table[]): string[] {
  const tables = all.filter((table) => table.schema === schema);
  const inside = [
    ...tables.flatMap((table) => [
      `${quoted(table.name)} {`,
      '  class: table',
      ...table.columns.map((column) => `  ${line(table, column, all)}`),
      '}',
    ]),
    ...tables.flatMap((table) => table.columns.flatMap((column) => foreignKeys(table, column))),
  ];
  return [`${quoted(schema)} {`, '  direction: right', '  class: schema', ...inside.map((text) => `  ${text}`), '}'];
}

function line(table: Table, column: Column, all: Table[]): string {
  const { name, type, keys } = column;
  const short = type.replace('timestamp with time zone', 'timestamptz');
  const target = targetOf(table, column, all).map((to) => ` → ${to}`);
  const constraint = keys.length > 0 ? ` {constraint: [${keys.map(quoted).join('; ')}]}` : '';
  return `${quoted(name)}: ${quoted(short + target.join(''))}${constraint}`;
}

/** The table that a column without a foreign key refers to by its name: `user_id` refers to `users`. */
function targetOf(table: Table, { name, references }: Column, all: Table[]): string[] {
  if (references.length > 0) return [];
  return all
    .filter((other) => other !== table && name === `${other.name.replace(/s$/, '')}_id`)
    .map((other) => (other.schema === other.name ? other.name : `${other.schema}.${other.name}`));
}

function foreignKeys(table: Table, column: Column): string[] {
  return column.references.map((to) => {
    const from = `${quoted(table.name)}.${quoted(column.name)}`;
    if (to.schema !== table.schema) throw new Error(`${table.schema}.${table.name} has a foreign key to ${to.schema}`);
    return `${from} -> ${quoted(to.table)}.${quoted(to.column)} {class: key}`;
  });
}
