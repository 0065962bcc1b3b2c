import { fileURLToPath } from 'node:url';
import express, { Router } from 'express';
import helmet from 'helmet';
import { only } from './errors.ts';

const folder = fileURLToPath(new URL('../../../web', import.meta.url));
const litHtml = fileURLToPath(new URL('../../../node_modules/lit-html/lit-html.js', import.meta.url));

/** Everything comes from here, as files: no inline script or style, no text that becomes markup, no form target. */
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

/** The page at `/`, whose files are the browser's own modules: nothing is built. */
export function webPage(): Router {
  const router = Router();
  router.get('/', policy, (_request, response) => {
    response.sendFile('index.html', { root: folder });
  });
  router.all('/', only('GET'));
  router.use('/page/lib/lit-html.js', express.static(litHtml, { index: false, redirect: false }));
  router.use('/page', express.static(folder, { index: false, redirect: false }));
  return router;
}
