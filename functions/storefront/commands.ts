import { isUtf8 } from 'node:buffer';
import express, { Router, type Request, type RequestHandler } from 'express';
import { uuidv7 } from 'uuidv7';
import { callFunction, type FunctionName } from '#platform/function-client.ts';
import { Problem } from '#platform/problem.ts';
import { only, send } from './errors.ts';
import { limitFailedLogins, limitRegistrations } from './limits.ts';
import { idOf } from './reads.ts';

/** Reads the body of a request. */
export const parse = express.json({
  limit: '64kb',
  strict: false,
  // what is no UTF-8 would be read as replacement characters, and kept
  verify: (_request, _response, body, charset) => {
    if (charset !== 'utf-8') throw new Problem('unsupported_media_type', 'Send JSON in UTF-8.');
    if (!isUtf8(body)) throw new Problem('malformed_request', 'Send JSON in UTF-8.');
  },
});

/** Refuses a body of another type. */
export const jsonOnly: RequestHandler = (request, _response, next) => {
  if (!request.is('application/json')) {
    throw new Problem('unsupported_media_type', 'Send the body as application/json.');
  }
  next();
};

/** The routes that change something: each is handed to its function, whose answer is passed on as it is. */
export function commands(): Router {
  const router = Router();
  router.post('/users', jsonOnly, parse, limitRegistrations, handTo('register-user'));
  router.all('/users', only('POST'));
  router.post('/sessions', jsonOnly, parse, limitFailedLogins, handTo('log-in'));
  router.all('/sessions', only('POST'));
  router.post('/accounts/me/deposits', jsonOnly, parse, handTo('deposit-money'));
  router.all('/accounts/me/deposits', only('POST'));
  router.post('/orders', jsonOnly, parse, handTo('create-order'));
  // takes no body: its path says it all
  const canceled: BodyOf = ({ params }) => ({ orderId: idOf(params['id']) });
  router.post('/orders/:id/cancel', handTo('cancel-order', canceled));
  router.all('/orders/:id/cancel', only('POST'));
  return router;
}

type BodyOf = (request: Request) => unknown;

function handTo(name: FunctionName, bodyOf: BodyOf = ({ body }) => body as unknown): RequestHandler {
  return async (request, response) => {
    send(response, await callFunction(name, { headers: passedOn(request), body: bodyOf(request) }));
  };
}

/** What a function needs to know of the request; its id makes a call that is repeated recognisable. */
export function passedOn({ headers }: Request): Record<string, string> {
  const names = ['authorization', 'idempotency-key', 'traceparent'] as const;
  const given = names.flatMap((name) => (headers[name] === undefined ? [] : [[name, String(headers[name])]]));
  return { ...(Object.fromEntries(given) as Record<string, string>), 'x-request-id': uuidv7() };
}
