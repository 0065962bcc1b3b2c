import type { Request, RequestHandler, Response } from 'express';
import { ipKeyGenerator, rateLimit } from 'express-rate-limit';
import { Problem } from '#platform/problem.ts';
import type { Caller } from '#platform/token.ts';
import { storefrontSettings } from './settings.ts';

const address = (request: Request) => ipKeyGenerator(request.ip ?? '');

function limit(
  windowMs: number,
  max: number,
  keyGenerator: (request: Request, response: Response) => string,
  failedOnly = false,
): RequestHandler {
  return rateLimit({
    windowMs,
    limit: max,
    keyGenerator,
    skipSuccessfulRequests: failedOnly,
    requestWasSuccessful: (_request, response) => response.statusCode !== 401,
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    validate: false,
    handler: () => {
      const retryAfterSeconds = Math.ceil(windowMs / 1_000);
      throw new Problem('too_many_requests', 'Please slow down.', { retryAfterSeconds });
    },
  });
}

/** A customer's requests, or those of an address that has no token. */
export const limitCaller = limit(1_000, storefrontSettings.RATE_LIMIT_REQUESTS, (request, response) => {
  const caller = response.locals['caller'] as Caller | undefined;
  return caller ? caller.id : address(request);
});

/** Registrations from one address: each costs a password hash. */
export const limitRegistrations = limit(1_000, storefrontSettings.RATE_LIMIT_REGISTRATIONS, address);

/** Failed log-ins, by e-mail and address together: nobody can lock out somebody else. */
export const limitFailedLogins = limit(
  60_000,
  storefrontSettings.RATE_LIMIT_FAILED_LOGINS,
  (request) => {
    const email: unknown = (request.body as { email?: unknown } | undefined)?.email;
    return `${typeof email === 'string' ? email.toLowerCase().slice(0, 254) : ''} ${address(request)}`;
  },
  true,
);
