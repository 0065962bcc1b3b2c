import { Router, type Request } from 'express';
import { z } from 'zod';
import { deadLettersQuery } from '#api/admin.ts';
import { callFunction } from '#platform/http/function-client.ts';
import { Problem } from '#platform/http/problem.ts';
import { uuid } from '#platform/values/uuid.ts';
import { jsonOnly, parse, passedOn } from '#functions/storefront/http/commands.ts';
import { findBulkReplay, findDeadLetter, findDeadLetters } from './dead-letters.ts';
import { only, send } from '#functions/storefront/http/errors.ts';
import { findStats } from './stats.ts';
import { adminOnly } from '#functions/storefront/http/identity.ts';
import { pageRequest, position, readQuery } from '#functions/storefront/http/paging.ts';
import { verify } from './verify.ts';

/** The routes for the administrator. */
export function admin(): Router {
  const router = Router();
  router.use(adminOnly);

  router.get('/dead-letters', async (request, response) => {
    const { type = null, status = null } = readQuery(request, deadLettersQuery);
    response.json(await findDeadLetters({ type, status }, pageRequest(request, position)));
  });

  router.get('/dead-letters/replay', async (_request, response) => {
    response.json(await findBulkReplay());
  });
  router.post('/dead-letters/replay', jsonOnly, parse, async (request, response) => {
    const body = z.record(z.string(), z.unknown()).safeParse(request.body);
    if (!body.success) throw new Problem('invalid_body', 'Send an object, {} for everything that is parked.');
    const answer = await callReplay(request, { ...body.data, action: 'replay-all' });
    if (answer.statusCode !== 202) send(response, answer);
    else response.status(202).json(await findBulkReplay());
  });
  router.delete('/dead-letters/replay', async (request, response) => {
    const answer = await callReplay(request, { action: 'stop' });
    if (answer.statusCode !== 200) send(response, answer);
    else response.json(await findBulkReplay());
  });

  router.get('/dead-letters/:id', async (request, response) => {
    response.json((await findDeadLetter(idOf(request))) ?? noDeadLetter());
  });
  router.post('/dead-letters/:id/replay', async (request, response) => {
    const id = idOf(request);
    const answer = await callReplay(request, { action: 'replay', id });
    if (answer.statusCode !== 202) send(response, answer);
    else
      response
        .status(202)
        .location(`/v1/admin/dead-letters/${id}`)
        .json(await findDeadLetter(id));
  });

  router.get('/ledger/verify', async (_request, response) => {
    response.json(await verify());
  });

  router.get('/figures', async (_request, response) => {
    response.json(await findStats());
  });

  router.all('/dead-letters/replay', only('GET', 'POST', 'DELETE'));
  router.all('/dead-letters/:id/replay', only('POST'));
  router.all(['/dead-letters', '/dead-letters/:id', '/ledger/verify', '/figures'], only('GET'));
  return router;
}

const callReplay = (request: Request, body: unknown) =>
  callFunction('replay-events', { headers: passedOn(request), body });

// what is not an id cannot be found either
const idOf = ({ params }: Request): string => uuid.safeParse(params['id']).data ?? noDeadLetter();

function noDeadLetter(): never {
  throw new Problem('not_found', 'There is no such dead letter.');
}
