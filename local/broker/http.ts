import { once } from 'node:events';
import { createServer, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Agent, request } from 'undici';
import type { Broker } from '#local/broker/broker.ts';
import { isDelivered, parseRetryAfter, type SubscriberResponse, type Deliver } from '#local/broker/delivery.ts';
import { claimsToBeEvent, readEvent, readReply, writeEvent } from '#local/broker/message.ts';

export interface BrokerServer {
  readonly port: number;
  /** Accepts no more requests; resolves when those in flight have their responses. */
  close(): Promise<void>;
}

// Knative has no limit; a laptop has.
const MAX_BODY_BYTES = 16 * 1024 * 1024;
// More than publishers and platforms keep an idle connection: they close it, not we while they write.
const KEEP_ALIVE_MS = 65_000;
// One pool an origin; what does not fit waits, inside its timeout.
const CONNECTIONS_PER_ORIGIN = 256;

/**
 * Serves the broker's ingress: POST `/<namespace>/<name>`.
 * Rejects with the original error if the port cannot be had; port 0 takes a free one.
 */
export async function serveBroker(
  broker: Broker,
  { port, host = '127.0.0.1' }: { port: number; host?: string },
): Promise<BrokerServer> {
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (incoming, outgoing) => {
    const leaving = new AbortController();
    outgoing.once('close', () => outgoing.writableFinished || leaving.abort());
    receive(broker, incoming, leaving.signal).then(
      ({ status, headers, text }) => {
        // A connection that stays open would hold up close().
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

// Any origin may post, at any rate (CloudEvents webhooks, section 4).
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

/** The whole body; nothing if it is too large. It is read to its end all the same: a producer that still writes reads no response. */
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
 * Delivers by POST in binary mode over kept-alive connections. `urlOf` says where a subscriber listens; it is asked
 * each time, because a function that was started again may listen elsewhere.
 */
export function deliverOverHttp(urlOf: (subscriber: string) => string): Deliver {
  const dispatcher = new Agent({ connections: CONNECTIONS_PER_ORIGIN, headersTimeout: 0, bodyTimeout: 0 });
  return async (subscriber, event, { timeoutMs, format, prefersReply = true, signal: leaving }) => {
    // not AbortSignal.timeout, whose timer would fire for each delivery, long after its response
    const over = new AbortController();
    const end = () => over.abort();
    const timer = setTimeout(end, timeoutMs);
    leaving?.addEventListener('abort', end);
    try {
      const { headers, body } = writeEvent(event, format);
      if (prefersReply) headers['prefer'] = 'reply';
      const sent = { method: 'POST', headers, body, signal: over.signal, dispatcher } as const;
      return await readResponse(await request(urlOf(subscriber), sent));
    } catch (error) {
      const { message, code } = error as NodeJS.ErrnoException;
      return over.signal.aborted ? { status: -1 } : { status: -1, body: `dispatch error: ${message || code}` };
    } finally {
      clearTimeout(timer);
      leaving?.removeEventListener('abort', end);
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
