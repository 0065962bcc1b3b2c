import type { RequestHandler } from 'express';
import { observeRequest } from '#platform/telemetry/observe.ts';

/** Measures and traces each request. The functions that it calls get the trace context of this request. */
export const observe: RequestHandler = (request, response, next) => {
  const { traceparent, ended } = observeRequest('storefront', request.headers['traceparent']);
  if (traceparent === undefined) delete request.headers['traceparent'];
  else request.headers['traceparent'] = traceparent;
  response.once('close', () => {
    const route = (request.route as { path?: unknown } | undefined)?.path;
    const path = typeof route === 'string' ? request.baseUrl + route : 'other';
    // an open stream of events is not a slow request
    const isStream = String(response.getHeader('content-type')).startsWith('text/event-stream');
    ended({ status: response.statusCode, route: `${request.method} ${path}`, isStream });
  });
  next();
};
