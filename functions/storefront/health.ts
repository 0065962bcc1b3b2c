import { Router } from 'express';
import { brokerAnswers } from '#platform/broker-client.ts';
import { only } from './errors.ts';
import { databaseAnswers } from './queries.ts';

/** `/healthz`: this process serves. `/readyz`: a report on what it needs, never a probe. */
export function health(): Router {
  const router = Router();
  router.get('/healthz', (_request, response) => {
    response.json({ status: 'ok' });
  });
  router.get('/readyz', async (_request, response) => {
    const [database, broker] = await Promise.all([databaseAnswers(), brokerAnswers()]);
    const status = database && broker ? 'ready' : 'degraded';
    response
      .status(status === 'ready' ? 200 : 503)
      .json({ status, database: database ? 'up' : 'down', broker: broker ? 'up' : 'down' });
  });
  router.all(['/healthz', '/readyz'], only('GET'));
  return router;
}
