import { isUtf8 } from 'node:buffer';
import { MIMEType } from 'node:util';
import express, { Router, type Request, type RequestHandler } from 'express';
import { uuidv7 } from 'uuidv7';
import { callFunction, type FunctionName } from '#platform/http/function-client.ts';
import { Problem } from '#platform/http/problem.ts';
import { only, send } from './errors.ts';
import { judged, limitFailedLogins, limitFailedLoginsOfAddress, limitRegistrations } from './limits.ts';
import { idOf } from '#functions/storefront/orders/reads.ts';

/** Reads the body of a request. */
export const parse = express.json({
  limit: '64kb',
  strict: false,
  // what is no UTF-8 would be read as replacement characters, and kept
  verify: (_request, _response, body) => {
    if (!isUtf8(body)) throw new Problem('malformed_request', 'Send JSON in UTF-8.');
  },
});

// RFC 8259, section 8.1: JSON is in UTF-8, and its media type has no charset. Clients name one all the same.
const charsets = new Set(['utf-8', 'utf8', 'us-ascii', 'ascii']);

/** Refuses a body of another type. */
export const jsonOnly: RequestHandler = (request, _response, next) => {
  const charset = request.is('application/json') && charsetOf(request.headers['content-type'] ?? '');
  if (!charset) throw new Problem('unsupported_media_type', 'Send the body as application/json.');
  if (!charsets.has(charset)) throw new Problem('unsupported_media_type', 'Send JSON in UTF-8.');
  // for the parser, which knows fewer names of it
  request.headers['content-type'] = 'application/json';
  next();
};

function charsetOf(contentType: string): string | undefined {
  try {
    return (new MIMEType(contentType).params.get('charset') ?? 'utf-8').trim().toLowerCase();
  } catch {
    return undefined; // no media type (RFC 9110, section 8.3.1)
  }
}

/** The routes that change something: each is handed to its function, whose answer is passed on as it is. */
export function commands(): Router {
  const router = Router();
  router.post('/users', jsonOnly, parse, limitRegistrations, forwardTo('register-user'));
  router.all('/users', only('POST'));
  router.post('/sessions', jsonOnly, parse, limitFailedLoginsOfAddress, limitFailedLogins, logIn);
  router.all('/sessions', only('POST'));
  router.post('/accounts/me/deposits', jsonOnly, parse, forwardTo('deposit-money'));
  router.all('/accounts/me/deposits', only('POST'));
  router.post('/orders', jsonOnly, parse, forwardTo('create-order'));
  // takes no body: its path says it all
  const canceled: BodyOf = ({ params }) => ({ orderId: idOf(params['id']) });
  router.post('/orders/:id/cancel', forwardTo('cancel-order', canceled));
  router.all('/orders/:id/cancel', only('POST'));
  return router;
}

type BodyOf = (request: Request) => unknown;

function forwardTo(name: FunctionName, bodyOf: BodyOf = ({ body }) => body as unknown): RequestHandler {
  return async (request, response) => {
    send(response, await callFunction(name, { headers: passedOn(request), body: bodyOf(request) }));
  };
}

const logIn: RequestHandler = async (request, response) => {
  const answer = await judged(request, (isSuspect) => {
    const headers = { ...passedOn(request), ...(isSuspect && { 'x-priority': 'low' }) };
    return callFunction('log-in', { headers, body: request.body as unknown });
  });
  send(response, answer);
};

/**
 * What a function needs to know of the request; its id makes a call that is repeated recognisable. No other header of
 * the caller reaches a function.
 */
export function passedOn({ headers }: Request): Record<string, string> {
  const names = ['authorization', 'idempotency-key', 'traceparent'] as const;
  const given = names.flatMap((name) => (headers[name] === undefined ? [] : [[name, String(headers[name])]]));
  return { ...(Object.fromEntries(given) as Record<string, string>), 'x-request-id': uuidv7() };
}
