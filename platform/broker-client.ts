import { CloudEvent, HTTP } from 'cloudevents';
import type { Pool } from 'undici';
import { z } from 'zod';
import type { ShopEvent } from '#platform/event.ts';
import { settings } from '#platform/settings.ts';

const { BROKER_URL } = settings({ BROKER_URL: z.url({ protocol: /^https?$/ }) });

/** Hands a signed event to the broker; rejects if the broker did not take it. */
export type Send = (event: ShopEvent) => Promise<void>;

const broker = new URL(BROKER_URL);
let connections: Promise<Pool> | undefined;

// most functions never publish: their events are their answers
const connect = async () => {
  const { Pool } = await import('undici');
  return new Pool(broker.origin, { connections: 64, headersTimeout: 10_000, bodyTimeout: 10_000 });
};

let send: Send = async (event) => {
  connections ??= connect();
  const { headers, body } = HTTP.binary(new CloudEvent(event));
  const answer = await (
    await connections
  ).request({
    method: 'POST',
    path: broker.pathname,
    headers: headers as Record<string, string>,
    body: body as string,
  });
  await answer.body.dump();
  if (answer.statusCode >= 300) throw new Error(`the broker answered ${answer.statusCode}`);
};

/** Uses another way to the broker than HTTP: the whole shop in one process hands events over directly. */
export function connectBroker(other: Send): void {
  send = other;
}

const lostConnections = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);

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
