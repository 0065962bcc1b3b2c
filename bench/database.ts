import pg from 'pg';

pg.types.setTypeParser(pg.types.builtins.INT8, Number); // counts

export interface Database {
  sql<Row extends object>(text: string, values?: unknown[]): Promise<Row[]>;
}

/** Opens a database with a single connection. */
export function openDatabase(connectionString: string): Database & { url: string; close(): Promise<void> } {
  const pool = new pg.Pool({ connectionString, max: 1 });
  pool.on('error', () => undefined); // the next statement fails too, with the reason
  return {
    url: connectionString,
    sql: async <Row extends object>(text: string, values: unknown[] = []) => (await pool.query<Row>(text, values)).rows,
    close: () => pool.end(),
  };
}
