import { readdirSync } from 'node:fs';

/** The names of all functions: their folders. */
export const functionNames: readonly string[] = readdirSync(new URL('../functions/', import.meta.url), {
  withFileTypes: true,
})
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name);
