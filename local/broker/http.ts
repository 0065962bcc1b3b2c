import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { CloudEventV1 } from 'cloudevents';
import { Agent, request } from 'undici';
import type { Broker } from '#local/broker/broker.ts';
import { isDelivered, parseRetryAfter, type Answer, type Deliver } from '#local/broker/delivery.ts';
import { claimsToBeEvent, readEvent, writeEvent } from '#local/broker/message.ts';

export interface BrokerServer {
  readonly port: number;
  /** Takes no more requests; resolves when those under way are answered. */
  close(): Promise<void>;
}

const MAX_BODY_BYTES = 1024 * 1024;
// More than publishers and platforms keep an idle connection: they close it, not we while they write.
const KEEP_ALIVE_MS = 65_000;
// One pool an origin; what does not fit waits, inside its timeout.
const CONNECTIONS_PER_ORIGIN = 256;

/**
 * Serves the broker's ingress: POST `/<namespace>/<name>`, and GET `/healthz`.
 * Rejects with the original error if the port cannot be had; port 0 takes a free one.
 */
export async function serveBroker(
  broker: Broker,
  { port, host = '127.0.0.1' }: { port: number; host?: string },
): Promise<BrokerServer> {
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (incoming, outgoing) => {
    receive(broker, incoming).then(
      ({ status, headers, text }) => {
        // A connection that stays open would hold up close().
        if (!server.listening) outgoing.setHeader('connection', 'close');
        outgoing.writeHead(status, headers).end(text);
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

interface Answered {
  status: number;
  headers?: OutgoingHttpHeaders;
  text?: string;
}

const allow = 'POST, OPTIONS';
// Whoever asks first may post from anywhere, as often as it likes (CloudEvents webhooks, section 4).
const webhook = { allow, 'webhook-allowed-origin': '*', 'webhook-allowed-rate': '*' };

async function receive(broker: Broker, incoming: IncomingMessage): Promise<Answered> {
  const { method, url = '/', headers } = incoming;
  if (method === 'GET' && url === '/healthz') return { status: 200 };
  if (method === 'OPTIONS') return { status: 200, headers: webhook };
  if (method !== 'POST') return { status: 405, headers: { allow } };
  if (url.replace(/\/$/, '') !== broker.path) return { status: 404 };
  const body = await readBody(incoming);
  if (!body) return { status: 413 };
  const event = readable(headers, body);
  return typeof event === 'string' ? { status: 400, text: event } : broker.ingest(event);
}

/** The event of a message, or what is wrong with it. */
function readable(headers: IncomingHttpHeaders, body: Buffer): CloudEventV1<unknown> | string {
  try {
    return readEvent(headers, body);
  } catch (error) {
    return (error as Error).message;
  }
}

/** The whole body; nothing if it is too large. It is read to its end all the same: who still writes reads no answer. */
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
  return async (subscriber, event, { timeoutMs }) => {
    // not AbortSignal.timeout, whose timer would go off for each delivery, long after its answer
    const timeUp = new AbortController();
    const timer = setTimeout(() => timeUp.abort(), timeoutMs);
    try {
      const { headers, body } = writeEvent(event);
      const { signal } = timeUp;
      const sent = { method: 'POST', headers: { ...headers, prefer: 'reply' }, body, signal, dispatcher } as const;
      return await answerOf(await request(urlOf(subscriber), sent));
    } catch (error) {
      const { message, code } = error as NodeJS.ErrnoException;
      return timeUp.signal.aborted ? { status: -1 } : { status: -1, body: `dispatch error: ${message || code}` };
    } finally {
      clearTimeout(timer);
    }
  };
}

async function answerOf({ statusCode: status, headers, body }: Awaited<ReturnType<typeof request>>): Promise<Answer> {
  const bytes = Buffer.from(await body.arrayBuffer());
  const retryAfter = headers['retry-after'];
  const retryAfterMs = typeof retryAfter === 'string' ? parseRetryAfter(retryAfter) : undefined;
  const isEvent = isDelivered({ status }) && claimsToBeEvent(headers);
  if (!isEvent) return { status, body: bytes.toString('utf8'), retryAfterMs };
  const event = readable(headers, bytes);
  return typeof event === 'string' ? { status, body: `malformed event: ${event}` } : { status, event };
}
