import { readFileSync } from 'node:fs';
import { z } from 'zod';

const root = new URL('../../', import.meta.url);

/** The version of the shop. */
export const { version } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as { version: string };

/** JSON Schema 2020-12 of what may be sent, or of everything that has a name. Fields may be added, so none is closed. */
export function jsonSchema(of: z.ZodType | typeof z.globalRegistry): Record<string, unknown> {
  const options: Parameters<typeof z.toJSONSchema>[1] = {
    io: 'input',
    override: ({ jsonSchema: schema }) => {
      // the format says it
      if (schema.format === 'uuid' || schema.format === 'date-time') delete schema.pattern;
    },
  };
  if (of instanceof z.ZodType) return z.toJSONSchema(of, options);
  return z.toJSONSchema(of, { ...options, uri: (id) => `#/components/schemas/${id}` });
}
