import { Router } from 'express';
import { only } from '#functions/storefront/http/errors.ts';
import { callerOf } from '#functions/storefront/http/identity.ts';
import { watch } from './streams.ts';

/** The caller's own facts as they happen: Server-Sent Events (HTML, section 9.2), resumable by `Last-Event-ID`. */
export function events(): Router {
  const router = Router();
  router.head('/events', only('GET'));
  router.get('/events', async (request, response) => {
    const lastEventId = request.headers['last-event-id']?.toString();
    await watch(request, response, callerOf(response), lastEventId);
  });
  router.all('/events', only('GET'));
  return router;
}
