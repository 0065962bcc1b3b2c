import { Router } from 'express';
import { isBrokerReachable } from '#platform/events/broker-client.ts';
import { only } from './errors.ts';
import { isDatabaseReachable } from '#functions/storefront/orders/queries.ts';

const cachedMs = 1_000;

interface Report {
  status: 'ready' | 'degraded';
  database: 'up' | 'down';
  broker: 'up' | 'down';
}

let asked: Promise<Report> | undefined;
let askedAt = -Infinity;

/** What database and broker say, asked at most once a second, however many want to know. */
function report(): Promise<Report> {
  if (asked && performance.now() - askedAt < cachedMs) return asked;
  askedAt = performance.now();
  asked = Promise.all([isDatabaseReachable(), isBrokerReachable()]).then(([database, broker]) => ({
    status: database && broker ? 'ready' : 'degraded',
    database: database ? 'up' : 'down',
    broker: broker ? 'up' : 'down',
  }));
  return asked;
}

/** `/healthz`: this process serves. `/readyz`: a report on what it needs, never a probe. */
export function health(): Router {
  const router = Router();
  router.get('/healthz', (_request, response) => {
    response.json({ status: 'ok' });
  });
  router.get('/readyz', async (_request, response) => {
    const found = await report();
    response.status(found.status === 'ready' ? 200 : 503).json(found);
  });
  router.all(['/healthz', '/readyz'], only('GET'));
  return router;
}
