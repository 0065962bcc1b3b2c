import { createHmac, createSecretKey, timingSafeEqual, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import type { CloudEventV1 } from 'cloudevents';
import { settings } from '#platform/runtime/settings.ts';

/** A refusal of an event: the function that refused it, and the code of the problem. */
export interface Refusal {
  by: string;
  code: string;
}

/** Signs events and verifies signatures. */
export interface Signer {
  /**
   * Signs an event for one publication: HMAC-SHA256 over the attributes and the data that the shop trusts.
   * Brokers rewrite times and add extensions, so the time is signed as epoch milliseconds and other attributes not at all.
   */
  sign<Event extends CloudEventV1<unknown>>(event: Event): Event & { signature: string };
  /** Whether the shop itself published this event as it is. */
  isVerified(event: CloudEventV1<unknown>): boolean;
  /**
   * Signs the refusal of an event, so that the dead letter sink can tell it from a forged one: what a broker adds to a dead
   * letter is not signed. Only for events that were verified.
   */
  signRefusal(event: CloudEventV1<unknown>, refusal: Refusal): string;
  /** Whether a function of the shop signed this refusal of this event. */
  isRefusal(event: CloudEventV1<unknown>, refusal: Refusal, signature: string): boolean;
}

const key = z.string().regex(/^[\w-]+:[\w-]{43,}$/, 'must be a list of id:key, each key 32 bytes or more in base64url');

/** Signs with the first key of `EVENT_KEYS=<id>:<base64url>[,<id>:<base64url>]`, and accepts each of them. */
export function createSigner(): Signer {
  const { EVENT_KEYS } = settings({
    EVENT_KEYS: z
      .string()
      .transform((text) => text.split(','))
      .pipe(z.array(key).min(1)),
  });
  const keys = new Map(
    EVENT_KEYS.map((entry) => {
      const [id = '', secret = ''] = entry.split(':');
      // a key object: with a plain buffer every digest would make one first, at five times the cost
      return [id, createSecretKey(secret, 'base64url')] as const;
    }),
  );
  const [[signingId, signingKey]] = [...keys] as [[string, KeyObject]];
  const signatureOf = (digest: Buffer) => `${signingId}.${digest.toString('base64url')}`;

  function isSignedBy(signature: unknown, digestBy: (secret: KeyObject) => Buffer): boolean {
    if (typeof signature !== 'string') return false;
    const [id = '', value = ''] = signature.split('.');
    const secret = keys.get(id);
    if (!secret) return false;
    const given = Buffer.from(value, 'base64url');
    const expected = digestBy(secret);
    return given.length === expected.length && timingSafeEqual(given, expected);
  }

  return {
    sign: (event) => ({ ...event, signature: signatureOf(digest(event, signingKey)) }),
    isVerified: (event) => {
      try {
        return isSignedBy(event['signature'], (secret) => digest(event, secret));
      } catch (error) {
        // data that is nested too deeply to be serialized was never signed by the shop
        if (error instanceof RangeError) return false;
        throw error;
      }
    },
    signRefusal: (event, refusal) => signatureOf(refusalDigest(event, refusal, signingKey)),
    isRefusal: (event, refusal, signature) => isSignedBy(signature, (secret) => refusalDigest(event, refusal, secret)),
  };
}

function refusalDigest(event: CloudEventV1<unknown>, { by, code }: Refusal, secret: KeyObject): Buffer {
  // begins with a word that no event's digest begins with
  const refused = JSON.stringify(['refused', event.id, event.source, event.type, event['correlationid'], by, code]);
  return createHmac('sha256', secret).update(refused).digest();
}

function digest(event: CloudEventV1<unknown>, secret: KeyObject): Buffer {
  const trusted = JSON.stringify([
    event.id,
    event.source,
    event.type,
    event.subject,
    event['correlationid'],
    event['partitionkey'],
    Date.parse(event.time ?? ''),
    JSON.stringify(event.data),
  ]);
  return createHmac('sha256', secret).update(trusted).digest();
}
