import type { RequestHandler } from 'express';
import { Problem } from '#platform/http/problem.ts';
import { verifyToken, type Authenticated } from '#platform/http/token.ts';

const open = new Set(['POST /users', 'POST /sessions', 'GET /products']);

/**
 * Checks the token of every request but the open ones; the caller is then found by `callerOf`. Who has none that is
 * good is refused by `requireAuth`, after the requests of their address were counted.
 */
export const authenticate: RequestHandler = async (request, response, next) => {
  if (!open.has(`${request.method} ${request.path}`)) {
    response.locals['caller'] = await verifyToken(request.headers.authorization).catch((error: unknown) => {
      response.locals['refusal'] = error;
    });
  }
  next();
};

/** Refuses who has not shown a good token where one is needed. */
export const requireAuth: RequestHandler = (_request, response, next) => {
  next(response.locals['refusal']);
};

/** Who calls. Only for routes that need a token. */
export function callerOf(response: { locals: Record<string, unknown> }): Authenticated {
  const caller = response.locals['caller'] as Authenticated | undefined;
  if (!caller) throw new Problem('unauthenticated', 'A token is required.');
  return caller;
}

/** Lets only administrators pass. */
export const adminOnly: RequestHandler = (_request, response, next) => {
  if (callerOf(response).role !== 'admin') throw new Problem('forbidden', 'Log in as the administrator.');
  next();
};
