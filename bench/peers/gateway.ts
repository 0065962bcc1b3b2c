import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { orderIdOf, type Order } from './orders.ts';

/** The HTTP API of a peer whose library has none. */
export interface Gateway {
  url: string;
  close(): Promise<void>;
}

/** Serves `POST /v1/orders`: the response is 202 once `place` has resolved. */
export async function openGateway(place: (order: Order) => Promise<unknown>): Promise<Gateway> {
  const server = createServer((request, response) => {
    respond(request, place)
      .catch((error: unknown): Response => ({ status: 503, body: { detail: String(error) } }))
      .then(({ status, body }) => {
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(JSON.stringify(body));
      }, response.destroy.bind(response));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.close();
      server.closeIdleConnections();
    },
  };
}

interface Response {
  status: number;
  body: object;
}

async function respond(request: IncomingMessage, place: (order: Order) => Promise<unknown>): Promise<Response> {
  if (request.method !== 'POST' || request.url !== '/v1/orders') return { status: 404, body: {} };
  const order = readOrder(request.headers, JSON.parse(await text(request)));
  if (!order) return { status: 422, body: {} };
  await place(order);
  return { status: 202, body: { id: order.id, status: 'pending' } };
}

/** Reads the order of a request; undefined if it is invalid. */
export function readOrder(headers: IncomingMessage['headers'], body: unknown): Order | undefined {
  const { 'customer-id': customerId, 'idempotency-key': key } = headers;
  if (typeof customerId !== 'string' || typeof key !== 'string') return undefined;
  const { items } = (body ?? {}) as { items?: unknown };
  if (!Array.isArray(items) || items.length === 0 || !items.every(isItem)) return undefined;
  return { id: orderIdOf(customerId, key), customerId, key, items };
}

function isItem(item: unknown): item is Order['items'][number] {
  const { sku, quantity } = (item ?? {}) as { sku?: unknown; quantity?: unknown };
  return typeof sku === 'string' && Number.isSafeInteger(quantity) && (quantity as number) >= 1;
}
