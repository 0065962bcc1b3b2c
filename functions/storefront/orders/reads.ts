import { Router } from 'express';
import { z } from 'zod';
import { notificationsQuery } from '#api/notifications.ts';
import { ordersQuery, sku } from '#api/orders.ts';
import { Problem } from '#platform/http/problem.ts';
import { uuid } from '#platform/values/uuid.ts';
import { findDeliveries } from './deliveries.ts';
import { only } from '#functions/storefront/http/errors.ts';
import { callerOf } from '#functions/storefront/http/identity.ts';
import { page, pageRequest, position, readQuery } from '#functions/storefront/http/paging.ts';
import * as query from './queries.ts';
import { findHistory } from './histories.ts';
import { timeline } from './timeline.ts';

/** The routes that read: always with the caller's id, so somebody else's object is not found. */
export function reads(): Router {
  const router = Router();

  router.get('/users/me', async (_request, response) => {
    response.json((await query.findUser(callerOf(response).id)) ?? notFound('you'));
  });

  router.get('/accounts/me', async (_request, response) => {
    const account = await query.findAccount(callerOf(response).id);
    if (!account) {
      throw new Problem('account_not_open', 'It opens a moment after registration.', { retryAfterSeconds: 1 });
    }
    response.json(account);
  });

  router.get('/accounts/me/entries', async (request, response) => {
    const wanted = pageRequest(request, z.int().min(1));
    response.json(page(await query.findEntries(callerOf(response).id, wanted), wanted, ({ version }) => version));
  });

  router.get('/products', async (request, response) => {
    const wanted = pageRequest(request, sku);
    response.json(page(await query.findProducts(wanted), wanted, ({ sku }) => sku));
  });

  router.get('/orders', async (request, response) => {
    const wanted = pageRequest(request, position);
    const { status = null } = readQuery(request, ordersQuery);
    response.json(await query.findOrders(callerOf(response).id, status, wanted));
  });
  router.all('/orders', only('GET', 'POST'));

  router.get('/orders/:id', async (request, response) => {
    response.json((await query.findOrder(callerOf(response).id, idOf(request.params.id))) ?? notFound('order'));
  });

  router.get('/orders/:id/timeline', async (request, response) => {
    const story = (await findHistory(callerOf(response).id, idOf(request.params.id))) ?? notFound('order');
    response.json({ data: timeline(story, await findDeliveries(story.order.id)) });
  });

  router.get('/notifications', async (request, response) => {
    const wanted = pageRequest(request, position);
    const { orderId = null } = readQuery(request, notificationsQuery);
    response.json(await query.findNotifications(callerOf(response).id, orderId, wanted));
  });

  const readOnly = ['/users/me', '/accounts/me', '/accounts/me/entries', '/products', '/notifications'];
  router.all([...readOnly, '/orders/:id', '/orders/:id/timeline'], only('GET'));
  return router;
}

/** The id of an order, as a path or a query has it. What is not an id cannot be found either. */
export const idOf = (given: unknown): string => uuid.safeParse(given).data ?? notFound('order');

function notFound(what: string): never {
  throw new Problem('not_found', `There is no such ${what}.`);
}
