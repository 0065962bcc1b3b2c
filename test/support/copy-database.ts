import pg from 'pg';

interface Table {
  name: string;
  /** The columns that are stored, not generated. */
  columns: string;
}

/** Every row of a database, table by table, as JSON text of one snapshot. */
export interface Copy {
  rows: { table: Table; json: string }[];
}

// json, not jsonb: events in the outbox are published as they were written
const tablesOf = `
  select format('%I.%I', c.table_schema, c.table_name) as name,
         string_agg(quote_ident(c.column_name), ', ' order by c.ordinal_position) as columns
    from information_schema.columns c
    join information_schema.tables t using (table_schema, table_name)
   where t.table_type = 'BASE TABLE'
     and c.is_generated = 'NEVER'
     and c.table_schema not in ('pg_catalog', 'information_schema', 'public')
   group by c.table_schema, c.table_name
   order by 1`;

/**
 * Reads every table in one snapshot, as pg_dump does. (pg_dump refuses a server that is newer than itself, and the embedded
 * Postgres comes without one.) `betweenTables` is called while the snapshot is read.
 */
export async function copyDatabase(url: string, betweenTables: () => Promise<void>): Promise<Copy> {
  return connected(url, async (client) => {
    await client.query('begin isolation level repeatable read read only');
    const tables = (await client.query<Table>(tablesOf)).rows;
    const rows: Copy['rows'] = [];
    for (const table of tables) {
      const sql = `select coalesce(json_agg(t), '[]')::text as json from ${table.name} t`;
      const [read] = (await client.query<{ json: string }>(sql)).rows;
      rows.push({ table, json: read?.json ?? '[]' });
      await betweenTables();
    }
    await client.query('commit');
    return { rows };
  });
}

/** Restores a copy into a database with the schema and no orders, and replaces the rows that its migrations inserted. */
export function restoreCopy(url: string, { rows }: Copy): Promise<void> {
  return connected(url, async (client) => {
    await client.query('begin');
    // as pg_restore --disable-triggers: foreign keys are not checked while tables are restored one by one
    await client.query('set local session_replication_role = replica');
    for (const { table, json } of rows) {
      await client.query(`delete from ${table.name}`);
      await client.query(
        `insert into ${table.name} (${table.columns})
         select ${table.columns} from json_populate_recordset(null::${table.name}, $1::json)`,
        [json],
      );
    }
    await client.query('commit');
  });
}

async function connected<Result>(url: string, use: (client: pg.Client) => Promise<Result>): Promise<Result> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}
