import type pg from 'pg';
import { z } from 'zod';
import { settings } from '#platform/runtime/settings.ts';

/**
 * How to connect to a database. With `DATABASE_CA`, the PEM text of a CA, by TLS: the server's certificate must be signed
 * by this CA and name the host of the URL. A certificate that is not PEM text is an error at the first connection.
 */
export function connectionTo(databaseUrl: string): pg.ClientConfig {
  const { DATABASE_CA: ca } = settings({ DATABASE_CA: z.string().default('') });
  if (ca.trim() === '') return { connectionString: databaseUrl };
  const url = new URL(databaseUrl);
  // in the URL it would take precedence over `ssl`
  url.searchParams.delete('sslmode');
  return { connectionString: url.href, ssl: { ca } };
}
