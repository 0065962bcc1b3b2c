import { X509Certificate } from 'node:crypto';
import type { ClientConfig } from 'pg';
import { z } from 'zod';
import { settings, SettingsError } from '#platform/runtime/settings.ts';

const certificate = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * `DATABASE_CA`: the certificates, in PEM, of the authorities that may sign the server's. Missing or empty: the URL alone
 * decides about TLS.
 */
export const databaseCa = z
  .string()
  .default('')
  .transform((pem) => pem.trim())
  .refine((pem) => pem === '' || isPem(pem), 'must be certificates in PEM (-----BEGIN CERTIFICATE-----)');

function isPem(pem: string): boolean {
  const certificates = pem.match(certificate) ?? [];
  try {
    return certificates.map((one) => new X509Certificate(one)).length > 0;
  } catch {
    return false;
  }
}

/** The options of the URL about TLS, which in pg take precedence over the given ones. */
const tlsOptions = ['ssl', 'sslmode', 'sslrootcert', 'uselibpqcompat'];

/**
 * How to connect to a database. With a CA, by default that of `DATABASE_CA`, the connection is encrypted, and the server
 * must have a certificate of that CA for the host of the URL, whatever `sslmode` the URL has (libpq's `verify-full`).
 * Throws for a URL that turns off TLS or the verification although there is a CA.
 */
export function connectionTo(
  databaseUrl: string,
  ca = settings({ DATABASE_CA: databaseCa }).DATABASE_CA,
): Pick<ClientConfig, 'connectionString' | 'ssl'> {
  if (ca === '') return { connectionString: databaseUrl };
  const url = new URL(databaseUrl);
  const sslmode = url.searchParams.get('sslmode');
  if (sslmode === 'disable' || sslmode === 'no-verify') {
    throw new SettingsError(`DATABASE_URL has sslmode=${sslmode}, but DATABASE_CA is set: remove one of them.`);
  }
  for (const option of tlsOptions) url.searchParams.delete(option);
  return { connectionString: url.href, ssl: { ca } };
}
