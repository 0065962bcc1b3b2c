import type { RequestHandler } from 'express';
import { Problem } from '#platform/problem.ts';
import { authenticate, type Authenticated } from '#platform/token.ts';

const open = new Set(['POST /users', 'POST /sessions', 'GET /products']);

/** Checks the token of every request but the open ones; the caller is then found by `callerOf`. */
export const identify: RequestHandler = async (request, response, next) => {
  if (!open.has(`${request.method} ${request.path}`)) {
    response.locals['caller'] = await authenticate(request.headers.authorization);
  }
  next();
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
