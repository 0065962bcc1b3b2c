import http, { type OutgoingHttpHeaders } from 'node:http';
import https from 'node:https';
import { z } from 'zod';
import type { ShopEvent } from '#platform/event.ts';
import { writeEvent } from '#platform/event-http.ts';
import { settings } from '#platform/settings.ts';

const { BROKER_URL } = settings({ BROKER_URL: z.url({ protocol: /^https?$/ }) });

/** Hands a signed event to the broker; rejects if the broker did not take it. */
export type Send = (event: ShopEvent) => Promise<void>;

const broker = new URL(BROKER_URL);
// Node's own client: most functions publish little, and undici would cost each of them 15 MB
const { Agent, request } = broker.protocol === 'https:' ? https : http;
const agent = new Agent({ keepAlive: true, maxSockets: 64 });

let send: Send = async (event) => {
  const { headers, body } = writeEvent(event);
  const status = await post(headers, body);
  if (status >= 300) throw new Error(`the broker answered ${status}`);
};

function post(headers: OutgoingHttpHeaders, body: string | Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    const posting = request(broker, { method: 'POST', agent, headers, timeout: 10_000 });
    posting.on('error', reject);
    posting.once('timeout', () => posting.destroy(new Error('the broker did not answer in time')));
    posting.once('response', (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    posting.end(body);
  });
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
export async function brokerAnswers(): Promise<boolean> {
  const answer = await fetch(broker, { method: 'OPTIONS', signal: AbortSignal.timeout(2_000) }).catch(() => undefined);
  return answer !== undefined && answer.status < 500;
}
