import { createLocalJWKSet, jwtVerify } from 'jose';
import { z } from 'zod';
import { now } from '#platform/database/clock.ts';
import { Problem } from '#platform/http/problem.ts';
import { settings } from '#platform/runtime/settings.ts';
import { uuid } from '#platform/values/uuid.ts';

const publicKey = z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string(), kid: z.string() });

/** `TOKEN_PUBLIC_KEYS`: a JSON Web Key Set of Ed25519 keys (RFC 7517, RFC 8037); tokens of each of them are accepted. */
const { TOKEN_PUBLIC_KEYS } = settings({
  TOKEN_PUBLIC_KEYS: z
    .string()
    .transform((text, context) => {
      try {
        return JSON.parse(text) as unknown;
      } catch {
        context.addIssue('must be JSON');
        return z.NEVER;
      }
    })
    .pipe(z.object({ keys: z.array(publicKey).min(1) })),
});

export const tokenIssuer = 'shop';
export const tokenAudience = 'shop';

/** Who calls, as the token says. */
export interface Caller {
  id: string;
  role: 'customer' | 'admin';
}

/** A caller whose token was checked, with the time from which it is no longer good. */
export interface Authenticated extends Caller {
  expiresAtMs: number;
}

const claims = z.object({ sub: uuid, role: z.enum(['customer', 'admin']), exp: z.number(), jti: z.string() });
const keySet = createLocalJWKSet(TOKEN_PUBLIC_KEYS);

// An EdDSA check costs a quarter of a millisecond: a token that was good is good until it expires.
const verified = new Map<string, Authenticated>();
const maxVerified = 20_000;

/** The caller behind an `Authorization` header (RFC 9110, section 11.4). Throws `unauthenticated`. */
export async function verifyToken(authorization: string | undefined): Promise<Authenticated> {
  const token = /^Bearer +([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(authorization ?? '')?.[1];
  if (!token) throw new Problem('unauthenticated', 'Send the token of POST /v1/sessions as "Authorization: Bearer …".');
  const known = verified.get(token);
  if (known && known.expiresAtMs > now()) return known;
  verified.delete(token);
  const caller = await verify(token);
  if (verified.size >= maxVerified) verified.delete(verified.keys().next().value ?? '');
  verified.set(token, caller);
  return caller;
}

async function verify(token: string): Promise<Authenticated> {
  try {
    const { payload } = await jwtVerify(token, keySet, {
      issuer: tokenIssuer,
      audience: tokenAudience,
      algorithms: ['EdDSA'],
      currentDate: new Date(now()),
    });
    const { sub, role, exp } = claims.parse(payload);
    return { id: sub, role, expiresAtMs: exp * 1000 };
  } catch (error) {
    throw new Problem('unauthenticated', 'The token is not valid, or not any more.', { cause: error });
  }
}
