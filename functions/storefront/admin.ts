import { Router } from 'express';
import { z } from 'zod';
import { only } from './errors.ts';
import { adminOnly } from './identity.ts';
import { page, pageRequest } from './paging.ts';
import { findDeadLetters, verifyLedger } from './queries.ts';

/** The routes for the administrator. */
export function admin(): Router {
  const router = Router();
  router.use(adminOnly);
  router.get('/dead-letters', async (request, response) => {
    const wanted = pageRequest(request, z.uuid());
    response.json(page(await findDeadLetters(wanted), wanted, ({ id }) => id));
  });
  router.get('/ledger/verify', async (_request, response) => {
    const { accounts, transfers, differences } = await verifyLedger();
    response.json({ balanced: differences.length === 0, accounts, transfers, differences });
  });
  router.all(['/dead-letters', '/ledger/verify'], only('GET'));
  return router;
}
