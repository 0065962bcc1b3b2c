import type { Request, RequestHandler, Response } from 'express';
import { rateLimit, type RateLimitInfo } from 'express-rate-limit';
import type { FunctionResponse } from '#platform/events/on-event.ts';
import { Problem } from '#platform/http/problem.ts';
import type { Caller } from '#platform/http/token.ts';
import { email } from '#platform/values/email.ts';
import type { StorefrontSettings } from '../settings.ts';
import type { ClientAddress } from './client-address.ts';
import { createLogInHistory } from './log-in-history.ts';

interface Limit {
  windowMs: number;
  max: number;
  keyOf: (request: Request, response: Response) => string;
  /** Whether only responses with 401 count. */
  failedOnly?: boolean;
}

function limit({ windowMs, max, keyOf, failedOnly = false }: Limit): RequestHandler {
  return rateLimit({
    windowMs,
    limit: max,
    keyGenerator: keyOf,
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

/** The rate limits; they count in this process alone. */
export function createLimits(settings: StorefrontSettings, { limitedAddress }: ClientAddress) {
  const attempt = createLogInHistory();
  return {
    /** Requests of a customer, or of an address without a token. */
    limitCaller: limit({
      windowMs: 1_000,
      max: settings.RATE_LIMIT_REQUESTS,
      keyOf: (request, response) => (response.locals['caller'] as Caller | undefined)?.id ?? limitedAddress(request),
    }),
    /** Registrations from one address: each costs a password hash. */
    limitRegistrations: limit({ windowMs: 1_000, max: settings.RATE_LIMIT_REGISTRATIONS, keyOf: limitedAddress }),
    limitFailedLogIns: [
      // from one address, whatever the e-mail
      limit({
        windowMs: 60_000,
        max: settings.RATE_LIMIT_FAILED_LOGINS_PER_ADDRESS,
        keyOf: limitedAddress,
        failedOnly: true,
      }),
      // by e-mail and address together: one customer cannot lock out another
      limit({
        windowMs: 60_000,
        max: settings.RATE_LIMIT_FAILED_LOGINS,
        keyOf: (request) => `${emailOf(request)} ${limitedAddress(request)}`,
        failedOnly: true,
      }),
    ],
    /** Calls log-in for a request; `isSuspect` says that it may be a guess, which waits behind other guesses. */
    judged: (request: Request, logIn: (isSuspect: boolean) => Promise<FunctionResponse>): Promise<FunctionResponse> =>
      attempt({ email: emailOf(request), address: limitedAddress(request) }, logIn),
  };
}

export type Limits = ReturnType<typeof createLimits>;

/** The e-mail as the function reads it, which refuses anything else before it costs a password hash. */
function emailOf({ body }: Request): string {
  return email.safeParse((body as { email?: unknown } | undefined)?.email).data ?? '';
}
