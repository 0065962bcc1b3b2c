import { fileURLToPath } from 'node:url';
import express, { Router } from 'express';
import type { serviceRoutes } from '#api/service.ts';
import type { RouteHandlers } from './routes.ts';

type DocumentRoutes = Pick<typeof serviceRoutes, 'getOpenApi' | 'getAsyncApi' | 'showDocs'>;

interface Documents {
  api: string;
  events: string;
  page: string;
}

/** The contracts, and a page that shows them. They are made at the first request, so that the start does not wait. */
export function documentHandlers(): RouteHandlers<DocumentRoutes> {
  let made: Promise<Documents> | undefined;
  const documents = () => (made ??= make());
  return {
    getOpenApi: async ({ response }) => void response.type('json').send((await documents()).api),
    getAsyncApi: async ({ response }) => void response.type('json').send((await documents()).events),
    showDocs: async ({ response }) => void response.type('html').send((await documents()).page),
  };
}

const style = fileURLToPath(new URL('../../../api/documents/docs.css', import.meta.url));

/** The style of the page. */
export const documentFiles = (): Router =>
  Router().use('/docs/docs.css', express.static(style, { index: false, redirect: false }));

async function make(): Promise<Documents> {
  const [{ openApi }, { asyncApi }, { docsPage }] = await Promise.all([
    import('#api/documents/openapi.ts'),
    import('#api/documents/asyncapi.ts'),
    import('#api/documents/docs-page.ts'),
  ]);
  const [api, events] = [openApi(), await asyncApi()];
  return { api: JSON.stringify(api), events: JSON.stringify(events), page: docsPage(api, events) };
}
