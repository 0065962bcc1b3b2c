import type { RequestHandler } from 'express';
import { routes } from '#api/routes.ts';
import { Problem } from '#platform/http/problem.ts';
import type { Authenticated, VerifyToken } from '#platform/http/token.ts';

const publicRoutes = new Set(
  routes.filter(({ access }) => access === 'public').map(({ method, path }) => `${method.toUpperCase()} ${path}`),
);

/**
 * Verifies the token of every request below `/v1` but those of public routes. A request without a valid one is refused by
 * `requireAuth`, after it was counted for the limits.
 */
export const authenticate =
  (verifyToken: VerifyToken): RequestHandler =>
  async (request, response, next) => {
    if (!publicRoutes.has(`${request.method} /v1${request.path}`)) {
      response.locals['caller'] = await verifyToken(request.headers.authorization).catch((error: unknown) => {
        response.locals['refusal'] = error;
      });
    }
    next();
  };

/** Refuses a request without a valid token where one is required. */
export const requireAuth: RequestHandler = (_request, response, next) => {
  next(response.locals['refusal']);
};

/** The owner of the verified token. */
export function callerOf(response: { locals: Record<string, unknown> }): Authenticated {
  const caller = response.locals['caller'] as Authenticated | undefined;
  if (!caller) throw new Problem('unauthenticated', 'A token is required.');
  return caller;
}

/** Refuses callers that are not the administrator. */
export const adminOnly: RequestHandler = (_request, response, next) => {
  if (callerOf(response).role !== 'admin') throw new Problem('forbidden', 'Log in as the administrator.');
  next();
};

/** Responses for one customer must not be stored by caches. */
export const noStore: RequestHandler = (_request, response, next) => {
  response.set('cache-control', 'no-store');
  next();
};
