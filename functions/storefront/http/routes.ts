import { Router, type Request, type RequestHandler, type Response } from 'express';
import { uuidv7 } from 'uuidv7';
import type { z } from 'zod';
import type { Route } from '#api/route.ts';
import type { FunctionResponse } from '#platform/events/on-event.ts';
import type { CallFunction } from '#platform/http/function-client.ts';
import { Problem } from '#platform/http/problem.ts';
import type { Authenticated } from '#platform/http/token.ts';
import { uuid } from '#platform/values/uuid.ts';
import { adminOnly, callerOf } from './authentication.ts';
import { jsonBody } from './body.ts';
import { only, send } from './errors.ts';
import type { PageRequest, Paging } from './paging.ts';

/** One request of a route, with what its entry in `api/` says. */
export interface RouteCall<Of extends Route> {
  request: Request;
  response: Response;
  /** The owner of the token; only for routes that require one. */
  caller: Of['access'] extends 'public' ? undefined : Authenticated;
  /** The id in the path. */
  id: string;
  /** The query, by its schema. */
  query: Of['query'] extends z.ZodType ? z.infer<Of['query']> : undefined;
  /** The requested page, whose cursor holds a key of this shape. */
  page<Key>(key: z.ZodType<Key>): PageRequest<Key>;
  /** Calls the function of the route: with the body of the request, or another one. */
  forward(body?: unknown): Promise<FunctionResponse>;
  /** Throws the problem that there is no such object. */
  notFound(): never;
}

/** Handles a route: returns the body of its successful response, or nothing if it responded itself. */
export type RouteHandler<Of extends Route> = (call: RouteCall<Of>) => unknown;

type Table = Record<string, Route>;
/** Routes that a function carries out with the body as it came. */
type Forwarded<Of extends Table> = {
  [Name in keyof Of]: Of[Name] extends { function: string; body: unknown } ? Name : never;
}[keyof Of];

/** A handler for each route of a table; one that a function carries out needs none. */
export type RouteHandlers<Of extends Table> = {
  [Name in Exclude<keyof Of, Forwarded<Of>>]: RouteHandler<Of[Name]>;
} & { [Name in Forwarded<Of>]?: RouteHandler<Of[Name]> };

interface Serving<Of extends Table> {
  callFunction: CallFunction;
  paging: Paging;
  /** What runs before the handler of a route, and after its body was read. */
  before?: { [Name in keyof Of]?: RequestHandler[] };
}

/**
 * Serves a table of routes: method, path, access and body follow from its entries, and so do 403, 405, 413 and 415.
 * The token was verified before (authentication.ts).
 */
export function serveRoutes<const Of extends Table>(
  table: Of,
  handlers: RouteHandlers<Of>,
  { callFunction, paging, before = {} }: Serving<Of>,
): Router {
  const router = Router();
  // fixed paths before those with an id, which would match them too
  const entries = Object.entries<Route>(table).toSorted(([, a], [, b]) => Number(hasId(a)) - Number(hasId(b)));
  for (const [name, route] of entries) {
    const handle = (handlers as Record<string, RouteHandler<Route>>)[name] ?? forwardAll;
    const steps: RequestHandler[] = [
      ...(route.access === 'admin' ? [adminOnly] : []),
      ...(route.body ? jsonBody : []),
      ...((before as Record<string, RequestHandler[]>)[name] ?? []),
    ];
    if (isStream(route)) router.head(pathOf(route), only('GET'));
    router[route.method](pathOf(route), ...steps, async (request, response) => {
      const result = await handle(callOf(route, request, response));
      if (response.headersSent || result === undefined) return;
      if (isResponse(result)) send(response, result);
      else response.status(Number(Object.keys(route.responses)[0])).json(result);
    });
  }
  for (const [path, routes] of Map.groupBy(
    entries.map(([, route]) => route),
    pathOf,
  )) {
    const guard = routes.some(({ access }) => access === 'admin') ? [adminOnly] : [];
    router.all(path, ...guard, only(...routes.map(({ method }) => method.toUpperCase()).toSorted()));
  }
  return router;

  function callOf(route: Route, request: Request, response: Response): RouteCall<Route> {
    const notFound = (): never => {
      throw new Problem('not_found', `There is no such ${objectOf(route)}.`);
    };
    return {
      request,
      response,
      notFound,
      page: (key) => paging.pageRequest(request, key),
      forward: (body = request.body as unknown) =>
        callFunction(route.function ?? '', { headers: forwardedHeaders(request), body }),
      get caller() {
        return callerOf(response) as never;
      },
      get id() {
        // what is not an id cannot be found either
        return uuid.safeParse(request.params['id']).data ?? notFound();
      },
      get query() {
        return (route.query && paging.readQuery(request, route.query)) as never;
      },
    };
  }
}

const forwardAll: RouteHandler<Route> = ({ forward }) => forward();

const hasId = ({ path }: Route): boolean => path.includes('{');
const pathOf = ({ path }: Route): string => path.replaceAll(/\{(\w+)\}/g, ':$1');
const isStream = ({ responses }: Route): boolean => responses[200]?.body === 'text/event-stream';
/** `/v1/admin/dead-letters/{id}` is about a dead letter. */
const objectOf = ({ path }: Route): string =>
  (/\/([\w-]+?)s\/(?:me|\{)/.exec(path)?.[1] ?? 'object').replaceAll('-', ' ');

const isResponse = (result: unknown): result is FunctionResponse =>
  typeof result === 'object' && result !== null && 'statusCode' in result && 'headers' in result;

/**
 * What a function needs to know of the request; its id makes a repeated call recognisable. No other header of the caller
 * reaches a function.
 */
export function forwardedHeaders({ headers }: Request): Record<string, string> {
  const names = ['authorization', 'idempotency-key', 'traceparent'] as const;
  const present = names.flatMap((name) => (headers[name] === undefined ? [] : [[name, String(headers[name])]]));
  return { ...(Object.fromEntries(present) as Record<string, string>), 'x-request-id': uuidv7() };
}
