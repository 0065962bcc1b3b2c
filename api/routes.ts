import { accountRoutes } from './accounts.ts';
import { adminRoutes } from './admin.ts';
import { notificationRoutes } from './notifications.ts';
import { orderRoutes } from './orders.ts';
import type { Route } from './route.ts';
import { serviceRoutes } from './service.ts';
import { userRoutes } from './users.ts';

/** Every route of the API, in the order of the documents. */
export const routes: readonly Route[] = [
  userRoutes,
  accountRoutes,
  orderRoutes,
  notificationRoutes,
  adminRoutes,
  serviceRoutes,
].flatMap((table) => Object.values<Route>(table));
