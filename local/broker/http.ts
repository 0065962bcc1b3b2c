import { once } from 'node:events';
import { createServer, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Agent, request } from 'undici';
import type { Broker } from '#local/broker/broker.ts';
import { isDelivered, parseRetryAfter, type SubscriberResponse, type Deliver } from '#local/broker/delivery.ts';
import { claimsToBeEvent, readEvent, readReply, writeEvent } from '#local/broker/message.ts';

export interface BrokerServer {
  readonly port: number;
  /** Stops accepting requests; resolves when those in flight have their responses. */
  close(): Promise<void>;
}

// Knative has no limit, but a laptop needs one.
const MAX_BODY_BYTES = 16 * 1024 * 1024;
// Longer than clients keep idle connections, so that they close them, and never lose a request to a closing server.
const KEEP_ALIVE_MS = 65_000;
// One pool per origin; further deliveries wait for a connection, within their timeout.
const CONNECTIONS_PER_ORIGIN = 256;

/**
 * Serves the broker's ingress: POST `/<namespace>/<name>`. Port 0 selects a free port; rejects with the original error
 * if the port is not available.
 */
export async function serveBroker(
  broker: Broker,
  { port, host = '127.0.0.1' }: { port: number; host?: string },
): Promise<BrokerServer> {
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (incoming, outgoing) => {
    const disconnected = new AbortController();
    outgoing.once('close', () => outgoing.writableFinished || disconnected.abort());
    receive(broker, incoming, disconnected.signal).then(
      ({ status, headers, text }) => {
        // A connection that stays open would delay close().
        if (!server.listening) outgoing.setHeader('connection', 'close');
        outgoing.writeHead(status, { allow: 'POST, OPTIONS', ...headers }).end(text);
      },
      (cause: Error) => outgoing.destroy(cause),
    );
  });
  server.listen(port, host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

interface IngressResponse {
  status: number;
  headers?: OutgoingHttpHeaders;
  text?: string;
}

// Any origin may post, at any rate (HTTP 1.1 Web Hooks for Event Delivery, section 4).
const webhook = { 'webhook-allowed-origin': '*', 'webhook-allowed-rate': '*' };

async function receive(broker: Broker, incoming: IncomingMessage, signal: AbortSignal): Promise<IngressResponse> {
  const { method, url = '/', headers } = incoming;
  if (method === 'OPTIONS') return { status: 200, headers: webhook };
  if (method !== 'POST') return { status: 405 };
  if (url === '/') return { status: 404 };
  const path = url.replace(/\/$/, '');
  if (path.split('/').length !== 3) return { status: 400 };
  const body = await readBody(incoming);
  if (!body) return { status: 413 };
  const event = readEvent(headers, body);
  if (typeof event === 'string') return { status: 400, text: event };
  return path === broker.path ? broker.ingest(event, { signal }) : { status: 404 };
}

/**
 * Reads the body; undefined if it is too large. Reads to the end even then: a producer that is writing reads no
 * response.
 */
async function readBody(incoming: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
  }
  return bytes > MAX_BODY_BYTES ? undefined : Buffer.concat(chunks);
}

/**
 * Delivers by POST over keep-alive connections. `urlOf` returns the URL of a subscriber; it is called for each
 * delivery, because a restarted function may listen on another port.
 */
export function deliverOverHttp(urlOf: (subscriber: string) => string): Deliver {
  const dispatcher = new Agent({ connections: CONNECTIONS_PER_ORIGIN, headersTimeout: 0, bodyTimeout: 0 });
  return async (subscriber, event, { timeoutMs, format, prefersReply = true, signal }) => {
    // not AbortSignal.timeout, whose timer would still fire long after the response
    const aborted = new AbortController();
    const abort = () => aborted.abort();
    const timer = setTimeout(abort, timeoutMs);
    signal?.addEventListener('abort', abort);
    try {
      const { headers, body } = writeEvent(event, format);
      if (prefersReply) headers['prefer'] = 'reply';
      const options = { method: 'POST', headers, body, signal: aborted.signal, dispatcher } as const;
      return await readResponse(await request(urlOf(subscriber), options));
    } catch (error) {
      const { message, code } = error as NodeJS.ErrnoException;
      return aborted.signal.aborted ? { status: -1 } : { status: -1, body: `dispatch error: ${message || code}` };
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    }
  };
}

async function readResponse({
  statusCode: status,
  headers,
  body,
}: Awaited<ReturnType<typeof request>>): Promise<SubscriberResponse> {
  const bytes = Buffer.from(await body.arrayBuffer());
  const retryAfter = headers['retry-after'];
  const retryAfterMs = typeof retryAfter === 'string' ? parseRetryAfter(retryAfter) : undefined;
  const isEvent = isDelivered({ status }) && claimsToBeEvent(headers);
  if (!isEvent) return { status, body: bytes.toString('utf8'), retryAfterMs };
  const event = readReply(headers, bytes);
  return typeof event === 'string' ? { status, body: `malformed event: ${event}` } : { status, event };
}
