import type { ErrorRequestHandler, RequestHandler, Response } from 'express';
import { databaseProblem } from '#platform/database/database.ts';
import { log } from '#platform/telemetry/log.ts';
import type { FunctionResponse } from '#platform/events/on-event.ts';
import { Problem, problemResponse, toProblem } from '#platform/http/problem.ts';

/** Sends the response of a function, or of a problem. */
export function send(response: Response, { statusCode, headers, body }: FunctionResponse): void {
  response.status(statusCode).set(headers);
  if (typeof body === 'string') response.send(body);
  else response.end(JSON.stringify(body));
}

/** A handler that refuses the methods that a path does not have. */
export const only =
  (...methods: string[]): RequestHandler =>
  (request, response) => {
    response.set('allow', methods.join(', '));
    throw new Problem('method_not_allowed', `${request.method} is not allowed here; ${methods.join(', ')} is.`);
  };

export const noRoute: RequestHandler = (request) => {
  throw new Problem('not_found', `There is nothing at ${request.path}.`);
};

/** The last handler: every error becomes a problem, of which only code and detail are shown. */
// oxlint-disable-next-line max-params -- Express knows an error handler by its four parameters
export const sendProblem: ErrorRequestHandler = (error: unknown, _request, response, next) => {
  if (response.headersSent) {
    next(error);
    return;
  }
  const problem = toProblem(databaseProblem(bodyProblem(error)));
  if (problem.status >= 500) log.error({ err: problem.cause ?? problem }, problem.message);
  send(response, problemResponse(problem));
};

/** The problem for what Express's body parser and router throw. */
function bodyProblem(error: unknown): unknown {
  if (error instanceof Problem) return error;
  const { status, type } = error as { status?: unknown; type?: unknown };
  if (type === 'entity.too.large') return new Problem('body_too_large', 'At most 64 KiB are accepted.');
  if (type === 'charset.unsupported' || type === 'encoding.unsupported') {
    return new Problem('unsupported_media_type', 'Send JSON in UTF-8 without another encoding.');
  }
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new Problem('malformed_request', 'The request is not valid HTTP with a JSON body.', { cause: error });
  }
  return error;
}
