import express, { type Express, type RequestHandler } from 'express';
import helmet from 'helmet';
import { admin } from './admin/routes.ts';
import { commands } from './http/commands.ts';
import { docs } from './http/documents.ts';
import { sendProblem, noRoute } from './http/errors.ts';
import { events } from './stream/events.ts';
import { health } from './http/health.ts';
import { limitCaller } from './http/limits.ts';
import { authenticate, requireAuth } from './http/identity.ts';
import { reads } from './orders/reads.ts';
import { watch } from './http/observe.ts';
import { webPage } from './http/web-page.ts';
import './admin/parked.ts';

/** What is told to one customer stays in no cache on the way. */
const noStore: RequestHandler = (_request, response, next) => {
  response.set('cache-control', 'no-store');
  next();
};

/** The public door: the REST API and the page. It reads for itself and hands commands to the functions. */
export function createStorefront(): Express {
  const app = express();
  app.disable('x-powered-by');
  app.set('etag', false);
  app.set('query parser', 'simple');
  app.use(health());
  app.use(watch);
  app.use(helmet({ contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } } }));
  app.use('/v1', noStore, authenticate, limitCaller, requireAuth);
  app.use('/v1', commands());
  app.use('/v1', reads());
  app.use('/v1', events());
  app.use('/v1/admin', admin());
  app.use(docs());
  app.use(webPage());
  app.use(noRoute);
  app.use(sendProblem);
  return app;
}
