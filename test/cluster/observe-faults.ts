import { readFileSync } from 'node:fs';

/** What is broken on purpose, and the alerts that say so. */
export interface Fault {
  name: string;
  alerts: string[];
  cause(): Promise<void>;
  /** What goes on while the alerts are awaited. */
  meanwhile?(work: () => Promise<void>): Promise<void>;
  undo(): Promise<void>;
}

/** The statements that give a role its rights on a table, as the schema has them. */
export function grantsOf(role: string, table: string): string {
  const schema = readFileSync('database/schema.sql', 'utf8');
  const grants = schema
    .split('\n')
    .filter((line) => line.startsWith('grant ') && line.endsWith(` on table ${table} to ${role};`));
  if (grants.length === 0) throw new Error(`the schema gives ${role} nothing on ${table}`);
  return grants.join('\n');
}
