import { z } from 'zod';
import { named, type Route } from './route.ts';

const alive = named('Alive', z.object({ status: z.literal('ok') }));

const upOrDown = z.enum(['up', 'down']);
const readiness = named(
  'Readiness',
  z.object({ status: z.enum(['ready', 'degraded']), database: upOrDown, broker: upOrDown }),
);

const contract = named('Contract', z.looseObject({ info: z.looseObject({ title: z.string(), version: z.string() }) }));

export const serviceRoutes: Route[] = [
  {
    method: 'get',
    path: '/',
    summary: 'The shop, for people',
    who: 'anybody',
    answers: { 200: { description: 'The page.', body: 'text/html' } },
  },
  {
    method: 'get',
    path: '/healthz',
    summary: 'Does this process serve',
    who: 'anybody',
    answers: { 200: { description: 'It does.', body: alive } },
  },
  {
    method: 'get',
    path: '/readyz',
    summary: 'Is what the shop needs there',
    description: 'A report for people: the shop takes orders while the broker is down.',
    who: 'anybody',
    answers: {
      200: { description: 'Everything is there.', body: readiness },
      503: { description: 'Something is down.', body: readiness },
    },
  },
  {
    method: 'get',
    path: '/openapi.json',
    summary: 'The API as OpenAPI 3.1',
    who: 'anybody',
    answers: { 200: { description: 'This document.', body: contract } },
  },
  {
    method: 'get',
    path: '/asyncapi.json',
    summary: 'The events as AsyncAPI 3',
    who: 'anybody',
    answers: { 200: { description: 'The document.', body: contract } },
  },
  {
    method: 'get',
    path: '/docs',
    summary: 'Both documents, for people',
    who: 'anybody',
    answers: { 200: { description: 'A page without scripts.', body: 'text/html' } },
  },
];
