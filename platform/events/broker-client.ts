import { existsSync, readFileSync } from 'node:fs';
import http, { type OutgoingHttpHeaders } from 'node:http';
import https from 'node:https';
import { z } from 'zod';
import type { ShopEvent } from '#platform/events/event.ts';
import { writeEvent } from '#platform/events/event-http.ts';
import { settings } from '#platform/runtime/settings.ts';

// as Knative's SinkBinding sets them; the certificates are for a broker behind TLS
const { K_SINK, K_CA_CERTS } = settings({
  K_SINK: z.url({ protocol: /^https?$/ }),
  K_CA_CERTS: z.string().optional(),
});

/** Hands a signed event to the broker; rejects if the broker did not take it. */
export type Send = (event: ShopEvent) => Promise<void>;

const broker = new URL(K_SINK);
// Node's own client: most functions publish little, and undici would cost each of them 15 MB
const { Agent, request } = broker.protocol === 'https:' ? https : http;
const agent = new Agent({ keepAlive: true, maxSockets: 64, ...(K_CA_CERTS && { ca: K_CA_CERTS }) });
const authorization = identity('/oidc/token');

let send: Send = async (event) => {
  const { headers, body } = writeEvent(event);
  const status = await ask('POST', { ...headers, ...authorization() }, body, 10_000);
  if (status >= 300) throw new Error(`the broker answered ${status}`);
};

function ask(method: string, headers: OutgoingHttpHeaders, body: string | Buffer, timeout: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const asking = request(broker, { method, agent, headers, timeout });
    asking.on('error', reject);
    asking.once('timeout', () => asking.destroy(new Error('the broker did not answer in time')));
    asking.once('response', (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    asking.end(body);
  });
}

/**
 * The token by which a Broker with an EventPolicy knows who sends: SinkBinding mounts it where Eventing's
 * `authentication-oidc` is on, and Kubernetes renews it in its file. Read again every minute.
 */
function identity(file: string): () => { authorization?: string } {
  if (!existsSync(file)) return () => ({});
  let read = { at: -Infinity, authorization: '' };
  return () => {
    if (performance.now() - read.at > 60_000)
      read = { at: performance.now(), authorization: `Bearer ${readFileSync(file, 'utf8').trim()}` };
    return { authorization: read.authorization };
  };
}

/** Uses another way to the broker than HTTP: the whole shop in one process hands events over directly. */
export function connectBroker(other: Send): void {
  send = other;
}

const lostConnections = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE']);

/** Whether a broker did not answer because it has ended or is being replaced: it is there again in a moment. */
export const isBrokerAway = (error: unknown): boolean =>
  lostConnections.has((error as NodeJS.ErrnoException).code ?? '');

/** Sends one event. It is signed by the caller. */
export const sendToBroker: Send = (event) => send(event);

/** Whether the broker can be reached; for the readiness report. */
export async function isBrokerReachable(): Promise<boolean> {
  return ask('OPTIONS', {}, '', 2_000).then(
    (status) => status < 500,
    () => false,
  );
}
