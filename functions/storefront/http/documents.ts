import { fileURLToPath } from 'node:url';
import express, { Router } from 'express';
import { only } from './errors.ts';
import { limitCaller } from './limits.ts';

/** The contracts, and a page that shows them. They are made once, at the first request, so that no start waits. */
export function docs(): Router {
  const router = Router();
  router.get('/openapi.json', limitCaller, async (_request, response) => {
    response.type('json').send((await contracts()).api);
  });
  router.get('/asyncapi.json', limitCaller, async (_request, response) => {
    response.type('json').send((await contracts()).events);
  });
  router.get('/docs', limitCaller, async (_request, response) => {
    response.type('html').send((await contracts()).page);
  });
  router.all(['/openapi.json', '/asyncapi.json', '/docs'], only('GET'));
  router.use('/docs/docs.css', express.static(style, { redirect: false }));
  return router;
}

const style = fileURLToPath(new URL('../../../api/documents/docs.css', import.meta.url));

interface Contracts {
  api: string;
  events: string;
  page: string;
}

let made: Promise<Contracts> | undefined;

function contracts(): Promise<Contracts> {
  made ??= make();
  return made;
}

async function make(): Promise<Contracts> {
  const [{ openApi }, { asyncApi }, { docsPage }] = await Promise.all([
    import('#api/documents/openapi.ts'),
    import('#api/documents/asyncapi.ts'),
    import('#api/documents/docs-page.ts'),
  ]);
  const [api, events] = [openApi(), await asyncApi()];
  return { api: JSON.stringify(api), events: JSON.stringify(events), page: docsPage(api, events) };
}
