import { createLocalJWKSet, jwtVerify } from 'jose';
import { z } from 'zod';
import type { Clock } from '#platform/database/clock.ts';
import { Problem } from '#platform/http/problem.ts';
import { settings } from '#platform/runtime/settings.ts';
import { uuid } from '#platform/values/uuid.ts';

const publicKey = z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string(), kid: z.string() });

export const tokenIssuer = 'shop';
export const tokenAudience = 'shop';

/** The caller, as the token says. */
export interface Caller {
  id: string;
  role: 'customer' | 'admin';
}

/** A caller whose token was verified, with the time at which it expires. */
export interface Authenticated extends Caller {
  expiresAtMs: number;
}

const claims = z.object({ sub: uuid, role: z.enum(['customer', 'admin']), exp: z.number(), jti: z.string() });

/** A JSON Web Key Set of Ed25519 keys (RFC 7517, RFC 8037). */
const keySet = z
  .string()
  .transform((text, context) => {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      context.addIssue('must be JSON');
      return z.NEVER;
    }
  })
  .pipe(z.object({ keys: z.array(publicKey).min(1) }));

// An EdDSA check costs a quarter of a millisecond: a token that was valid is valid until it expires.
const maxVerified = 20_000;

/** Returns the caller of an `Authorization` header (RFC 9110, section 11.4). Throws `unauthenticated`. */
export type VerifyToken = (authorization: string | undefined) => Promise<Authenticated>;

/** Verifies tokens by the keys in `TOKEN_PUBLIC_KEYS`, each of which is accepted. */
export function createTokenVerifier({ now }: Pick<Clock, 'now'>): VerifyToken {
  const { TOKEN_PUBLIC_KEYS } = settings({ TOKEN_PUBLIC_KEYS: keySet });
  const keys = createLocalJWKSet(TOKEN_PUBLIC_KEYS);
  const verified = new Map<string, Authenticated>();

  async function verify(token: string): Promise<Authenticated> {
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer: tokenIssuer,
        audience: tokenAudience,
        algorithms: ['EdDSA'],
        currentDate: new Date(now()),
      });
      const { sub, role, exp } = claims.parse(payload);
      return { id: sub, role, expiresAtMs: exp * 1000 };
    } catch (error) {
      throw new Problem('unauthenticated', 'The token is not valid, or has expired.', { cause: error });
    }
  }

  return async (authorization) => {
    const token = /^Bearer +([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(authorization ?? '')?.[1];
    if (!token) {
      throw new Problem('unauthenticated', 'Send the token of POST /v1/sessions as "Authorization: Bearer …".');
    }
    const known = verified.get(token);
    if (known && known.expiresAtMs > now()) return known;
    verified.delete(token);
    const caller = await verify(token);
    if (verified.size >= maxVerified) verified.delete(verified.keys().next().value ?? '');
    verified.set(token, caller);
    return caller;
  };
}
