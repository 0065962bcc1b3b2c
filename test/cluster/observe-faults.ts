import { readFileSync } from 'node:fs';

/** A fault that is caused on purpose, and the alerts that report it. */
export interface Fault {
  name: string;
  alerts: string[];
  cause(): Promise<void>;
  /** Runs something while the alerts are awaited. */
  meanwhile?(work: () => Promise<void>): Promise<void>;
  undo(): Promise<void>;
}

/** The statements of the schema that grant a role its privileges on a table. */
export function grantsOf(role: string, table: string): string {
  const schema = readFileSync('database/schema.sql', 'utf8');
  const grants = schema
    .split('\n')
    .filter((line) => line.startsWith('grant ') && line.endsWith(` on table ${table} to ${role};`));
  if (grants.length === 0) throw new Error(`the schema grants ${role} nothing on ${table}`);
  return grants.join('\n');
}
