import { importJWK, SignJWT } from 'jose';
import { uuidv7 } from 'uuidv7';
import { z } from 'zod';
import { now } from '#platform/database/clock.ts';
import { settings } from '#platform/runtime/settings.ts';
import { tokenAudience, tokenIssuer, type Caller } from '#platform/http/token.ts';

const privateKey = z.object({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  x: z.string(),
  d: z.string(),
  kid: z.string(),
});

/** `TOKEN_PRIVATE_KEY`: an Ed25519 JSON Web Key; only this function has it. */
const { TOKEN_PRIVATE_KEY } = settings({
  TOKEN_PRIVATE_KEY: z.string().transform((text, context) => {
    try {
      return privateKey.parse(JSON.parse(text));
    } catch {
      context.addIssue('must be a private Ed25519 JSON Web Key');
      return z.NEVER;
    }
  }),
});

export const expiresInSeconds = 15 * 60;
const key = importJWK(TOKEN_PRIVATE_KEY, 'EdDSA');

/** A JSON Web Token (RFC 7519) that identifies the caller for 15 minutes. */
export async function signToken({ id, role }: Caller): Promise<string> {
  const issuedAt = Math.floor(now() / 1_000);
  return new SignJWT({ role })
    .setProtectedHeader({ alg: 'EdDSA', kid: TOKEN_PRIVATE_KEY.kid, typ: 'JWT' })
    .setIssuer(tokenIssuer)
    .setAudience(tokenAudience)
    .setSubject(id)
    .setJti(uuidv7())
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + expiresInSeconds)
    .sign(await key);
}
