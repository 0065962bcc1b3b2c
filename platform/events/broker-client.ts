import { existsSync, readFileSync } from 'node:fs';
import http, { type OutgoingHttpHeaders } from 'node:http';
import https from 'node:https';
import { z } from 'zod';
import type { ShopEvent } from '#platform/events/event.ts';
import { writeEvent } from '#platform/events/event-http.ts';
import { settings } from '#platform/runtime/settings.ts';

/** The way to the broker. */
export interface BrokerClient {
  /** Sends one event, which is signed already; rejects if the broker did not accept it within `timeoutMs`, 10 s unless given. */
  send(event: ShopEvent, timeoutMs?: number): Promise<void>;
  /** Whether the broker can be reached; for the readiness report. */
  isReachable(): Promise<boolean>;
}

/** A client of the broker at `K_SINK`, over HTTP. */
export function createBrokerClient(): BrokerClient {
  // as Knative's SinkBinding sets them; the certificates are for a broker behind TLS
  const { K_SINK, K_CA_CERTS } = settings({
    K_SINK: z.url({ protocol: /^https?$/ }),
    K_CA_CERTS: z.string().optional(),
  });
  const broker = new URL(K_SINK);
  // Node's own client: most functions publish little, and undici would cost each of them 15 MB
  const { Agent, request } = broker.protocol === 'https:' ? https : http;
  const agent = new Agent({ keepAlive: true, maxSockets: 64, ...(K_CA_CERTS && { ca: K_CA_CERTS }) });
  const authorization = identity('/oidc/token');

  const ask = (method: string, headers: OutgoingHttpHeaders, body: string | Buffer, timeout: number): Promise<number> =>
    new Promise((resolve, reject) => {
      const asking = request(broker, { method, agent, headers, timeout });
      asking.on('error', reject);
      asking.once('timeout', () => asking.destroy(new Error('the broker did not respond in time')));
      asking.once('response', (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      asking.end(body);
    });

  return {
    send: async (event, timeoutMs = 10_000) => {
      const { headers, body } = writeEvent(event);
      const status = await ask('POST', { ...headers, ...authorization() }, body, timeoutMs);
      if (status >= 300) throw new Error(`the broker responded with ${status}`);
    },
    isReachable: () =>
      ask('OPTIONS', {}, '', 2_000).then(
        (status) => status < 500,
        () => false,
      ),
  };
}

/**
 * The token by which a Broker with an EventPolicy knows the sender: SinkBinding mounts it where Eventing's
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

const lostConnections = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE']);

/** Whether a broker did not respond because it ended or is being replaced, and will be back shortly. */
export const isBrokerAway = (error: unknown): boolean =>
  lostConnections.has((error as NodeJS.ErrnoException).code ?? '');
