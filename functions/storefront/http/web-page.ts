import { fileURLToPath } from 'node:url';
import express, { Router } from 'express';
import helmet from 'helmet';
import type { serviceRoutes } from '#api/service.ts';
import { readTopology } from '#events/topology/topology.ts';
import type { RouteHandlers } from './routes.ts';

const folder = fileURLToPath(new URL('../../../web', import.meta.url));
const litHtml = fileURLToPath(new URL('../../../node_modules/lit-html/lit-html.js', import.meta.url));

/** Everything comes from this server, as files: no inline script or style, no text that becomes markup, no form target. */
const policy = helmet.contentSecurityPolicy({
  useDefaults: false,
  directives: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    imgSrc: ["'self'"],
    connectSrc: ["'self'"],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'none'"],
    requireTrustedTypesFor: ["'script'"],
    trustedTypes: ['lit-html'],
  },
});

type PageRoutes = Pick<typeof serviceRoutes, 'showPage'>;

/** The page at `/`. */
export const pageHandlers: RouteHandlers<PageRoutes> = {
  showPage: ({ request, response }) =>
    policy(request, response, () => response.sendFile('index.html', { root: folder })),
};

/** The files of the page: the browser runs these modules as they are. `topology.js` lists the consumers of each event. */
export function pageFiles(): Router {
  let topology: Promise<string> | undefined;
  return Router()
    .use('/page/topology.js', async (request, response, next) => {
      if (!['GET', 'HEAD'].includes(request.method) || request.path !== '/') return next();
      response.type('js').send(await (topology ??= topologyModule()));
    })
    .use('/page/lib/lit-html.js', express.static(litHtml, { index: false, redirect: false }))
    .use('/page', express.static(folder, { index: false, redirect: false }));
}

async function topologyModule(): Promise<string> {
  const { hops } = await readTopology();
  const consumers = Object.fromEntries(hops.map(({ contract, subscribers }) => [contract.type, subscribers]));
  return `export const consumers = ${JSON.stringify(consumers)};\n`;
}
