import express, { type Express } from 'express';
import helmet from 'helmet';
import { accountRoutes } from '#api/accounts.ts';
import { adminRoutes } from '#api/admin.ts';
import { notificationRoutes } from '#api/notifications.ts';
import { orderRoutes } from '#api/orders.ts';
import { routes } from '#api/routes.ts';
import { serviceRoutes } from '#api/service.ts';
import { userRoutes } from '#api/users.ts';
import type { FunctionContext } from '#platform/runtime/context.ts';
import { measureDeadLetters } from './admin/parked.ts';
import { adminHandlers } from './admin/routes.ts';
import { adminOnly, authenticate, noStore, requireAuth } from './http/authentication.ts';
import { createClientAddress } from './http/client-address.ts';
import { documentFiles, documentHandlers } from './http/documents.ts';
import { noRoute, sendProblem } from './http/errors.ts';
import { healthHandlers } from './http/health.ts';
import { createLimits } from './http/limits.ts';
import { observe } from './http/observe.ts';
import { createPaging } from './http/paging.ts';
import { serveRoutes } from './http/routes.ts';
import { createSealer } from './http/seal.ts';
import { pageFiles, pageHandlers } from './http/web-page.ts';
import { accountHandlers } from './orders/accounts.ts';
import { notificationHandlers } from './orders/notifications.ts';
import { orderHandlers } from './orders/orders.ts';
import { userHandlers } from './orders/users.ts';
import { readStorefrontSettings } from './settings.ts';
import { createCursors } from './stream/cursor.ts';
import { createStreams } from './stream/streams.ts';

/** The functions that the routes of the API forward to. */
export const calledFunctions = [...new Set(routes.flatMap((route) => route.function ?? []))];

/** The public API and the page. It reads from the database and forwards commands to the functions. */
export function createStorefront(context: FunctionContext): Express {
  const { database, clock, callFunction } = context;
  const settings = readStorefrontSettings();
  const sealer = createSealer(settings.CURSOR_KEY);
  const address = createClientAddress(settings.PROXY_HOPS);
  const limits = createLimits(settings, address);
  const streams = createStreams({ ...address, database, clock, settings, cursors: createCursors(sealer) });
  const serving = { callFunction, paging: createPaging(sealer) };
  const { getHealth, getReadiness, showPage, ...documents } = serviceRoutes;
  measureDeadLetters(database);

  const app = express();
  app.disable('x-powered-by');
  app.set('etag', false);
  app.set('query parser', 'simple');
  app.use(serveRoutes({ getHealth, getReadiness }, healthHandlers(context), serving));
  app.use(observe);
  app.use(helmet({ contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } } }));
  app.use('/v1', noStore, authenticate(context.verifyToken), limits.limitCaller, requireAuth);
  app.use(
    serveRoutes(userRoutes, userHandlers({ database, callFunction, limits }), {
      ...serving,
      before: { registerUser: [limits.limitRegistrations], logIn: limits.limitFailedLogIns },
    }),
  );
  app.use(serveRoutes(accountRoutes, accountHandlers(database), serving));
  app.use(serveRoutes(orderRoutes, orderHandlers(database), serving));
  app.use(serveRoutes(notificationRoutes, notificationHandlers({ database, streams }), serving));
  app.use('/v1/admin', adminOnly); // of a path that does not exist too
  app.use(serveRoutes(adminRoutes, adminHandlers({ database, clock }), serving));
  const limited = [limits.limitCaller];
  app.use(
    serveRoutes(documents, documentHandlers(), {
      ...serving,
      before: { getOpenApi: limited, getAsyncApi: limited, showDocs: limited },
    }),
  );
  app.use(documentFiles());
  app.use(serveRoutes({ showPage }, pageHandlers, serving));
  app.use(pageFiles());
  app.use(noRoute);
  app.use(sendProblem);
  return app;
}
