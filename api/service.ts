import { z } from 'zod';
import { defineRoutes, named } from './route.ts';

const alive = named('Alive', z.object({ status: z.literal('ok') }));

const upOrDown = z.enum(['up', 'down']);
const readiness = named(
  'Readiness',
  z.object({ status: z.enum(['ready', 'degraded']), database: upOrDown, broker: upOrDown }),
);

const contract = named('Contract', z.looseObject({ info: z.looseObject({ title: z.string(), version: z.string() }) }));

export const serviceRoutes = defineRoutes({
  showPage: {
    method: 'get',
    path: '/',
    summary: 'The page',
    access: 'public',
    responses: { 200: { description: 'The page.', body: 'text/html' } },
  },
  getHealth: {
    method: 'get',
    path: '/healthz',
    summary: 'Liveness of this process',
    access: 'public',
    responses: { 200: { description: 'It serves.', body: alive } },
  },
  getReadiness: {
    method: 'get',
    path: '/readyz',
    summary: 'Readiness of what the shop needs',
    description: 'A report, not a probe: the shop accepts orders while the broker is down.',
    access: 'public',
    responses: {
      200: { description: 'Database and broker are up.', body: readiness },
      503: { description: 'One of them is down.', body: readiness },
    },
  },
  getOpenApi: {
    method: 'get',
    path: '/openapi.json',
    summary: 'The API as OpenAPI 3.1',
    access: 'public',
    responses: { 200: { description: 'This document.', body: contract } },
  },
  getAsyncApi: {
    method: 'get',
    path: '/asyncapi.json',
    summary: 'The events as AsyncAPI 3',
    access: 'public',
    responses: { 200: { description: 'The document.', body: contract } },
  },
  showDocs: {
    method: 'get',
    path: '/docs',
    summary: 'The documentation of API and events',
    access: 'public',
    responses: { 200: { description: 'A page without scripts.', body: 'text/html' } },
  },
});
