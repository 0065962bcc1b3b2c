import type { Request, RequestHandler, Response } from 'express';
import { rateLimit, type RateLimitInfo } from 'express-rate-limit';
import { email } from '#platform/values/email.ts';
import type { Answer } from '#platform/events/on-event.ts';
import { Problem } from '#platform/http/problem.ts';
import type { Caller } from '#platform/http/token.ts';
import { limitedAddress } from './client-address.ts';
import { createLogInHistory } from './log-in-history.ts';
import { storefrontSettings } from '#functions/storefront/settings.ts';

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
    handler: (request) => {
      const { resetTime } = (request as Request & { rateLimit: RateLimitInfo }).rateLimit;
      const leftMs = resetTime ? resetTime.getTime() - Date.now() : windowMs;
      const retryAfterSeconds = Math.max(1, Math.ceil(leftMs / 1_000));
      throw new Problem('too_many_requests', 'Please slow down.', { retryAfterSeconds });
    },
  });
}

/** A customer's requests, or those of an address that has no token. */
export const limitCaller = limit(1_000, storefrontSettings.RATE_LIMIT_REQUESTS, (request, response) => {
  const caller = response.locals['caller'] as Caller | undefined;
  return caller ? caller.id : limitedAddress(request);
});

/** Registrations from one address: each costs a password hash. */
export const limitRegistrations = limit(1_000, storefrontSettings.RATE_LIMIT_REGISTRATIONS, limitedAddress);

/** Failed log-ins from one address, whatever the e-mail. */
export const limitFailedLoginsOfAddress = limit(
  60_000,
  storefrontSettings.RATE_LIMIT_FAILED_LOGINS_PER_ADDRESS,
  limitedAddress,
  true,
);

/** Failed log-ins, by e-mail and address together: nobody can lock out another customer. */
export const limitFailedLogins = limit(
  60_000,
  storefrontSettings.RATE_LIMIT_FAILED_LOGINS,
  (request) => `${emailOf(request)} ${limitedAddress(request)}`,
  true,
);

const attempt = createLogInHistory();

/** Calls log-in for a request; it is told whether this may be a guess, which then waits behind others of its kind. */
export const judged = (request: Request, logIn: (isSuspect: boolean) => Promise<Answer>): Promise<Answer> =>
  attempt({ email: emailOf(request), address: limitedAddress(request) }, logIn);

/** As the function reads it; what is no e-mail is refused there before it costs a password hash. */
function emailOf({ body }: Request): string {
  return email.safeParse((body as { email?: unknown } | undefined)?.email).data ?? '';
}
