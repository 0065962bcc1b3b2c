import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { decodeJwt } from 'jose';
import { notifyBy } from '#functions/send-notification/index.ts';
import { createStorefront } from '#functions/storefront/index.ts';
import { createBroker } from '#local/broker/broker.ts';
import { readManifests } from '#events/topology/manifests.ts';
import { deliverTo, startFunctions, withinProcess, type Functions } from '#local/in-process.ts';
import { serveHttp } from '#platform/http/http-server.ts';
import { createContext } from '#platform/runtime/context.ts';
import { shardOf } from './shards-route.ts';
import { serveRequests } from './worker.ts';

/** A request to the process of the functions: starts a set of them for each database, or reads its CPU time. */
export type ShopsRequest = { do: 'start'; databaseUrls: string[] } | { do: 'read' };

export interface ShopsResponse {
  url: string;
  cpuMs: number;
}

let url = '';

serveRequests<ShopsRequest, ShopsResponse>(async (request) => {
  if (request.do === 'start') url = await start(request.databaseUrls);
  const { user, system } = process.cpuUsage();
  return { url, cpuMs: (user + system) / 1_000 };
});

/**
 * Serves the functions of the shop, unchanged: a storefront and a set of functions for each shard, with a connection pool
 * of their own. In front of them are two routers. Requests go to the shard of the customer whom the token names; the
 * storefront there verifies the token. Events go to the shard of their `partitionkey`, which is the customer too.
 */
async function start(databaseUrls: string[]): Promise<string> {
  const count = databaseUrls.length;
  const sets: Functions[] = [];
  const broker = createBroker({
    manifests: readManifests('broker'),
    deliver: (subscriber, event) => deliverTo(sets[shardOf(String(event['partitionkey']), count)], subscriber, event),
  });
  const storefronts: RequestListener[] = [];
  for (const [shard, databaseUrl] of databaseUrls.entries()) {
    process.env['DATABASE_URL'] = databaseUrl; // the context reads it when it connects
    const context = createContext(
      'shop',
      withinProcess(broker, () => sets[shard]),
    );
    await context.connect();
    sets.push(await startFunctions(context, { 'send-notification': withoutMails }));
    storefronts.push(createStorefront(context));
    context.tasks.start();
  }
  const { server } = await serveHttp(
    (request, response) => {
      const storefront = storefronts[shardOf(userOf(request.headers.authorization), count)];
      if (storefront) storefront(request, response);
    },
    { port: 0, host: '127.0.0.1' },
  );
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const users = new Map<string, string>();

/** The customer of a token, not verified: a wrong one only selects a shard that refuses it. */
function userOf(authorization = ''): string {
  let user = users.get(authorization);
  if (user === undefined) {
    user = decodeJwt(authorization.replace('Bearer ', '')).sub ?? '';
    users.set(authorization, user);
  }
  return user;
}

// mails are not sent: they leave from the mail servers, not from the shards, and would compete with the orders
const withoutMails = notifyBy(() => ({ sendSoon: () => undefined, sendDue: async () => true }));
