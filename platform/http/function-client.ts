import { setTimeout as wait } from 'node:timers/promises';
import { Agent } from 'undici';
import { z } from 'zod';
import type { Answer } from '#platform/events/on-event.ts';
import { Problem } from '#platform/http/problem.ts';
import { settings } from '#platform/runtime/settings.ts';

/** What the storefront hands to a function: the caller's headers that matter, and the parsed body. */
export interface FunctionRequest {
  headers: Record<string, string>;
  body: unknown;
}

/** Calls a function by its name and gives its answer. */
export type Call = (name: FunctionName, request: FunctionRequest) => Promise<Answer>;

export type FunctionName =
  'register-user' | 'log-in' | 'deposit-money' | 'create-order' | 'cancel-order' | 'replay-events';

let call: Call | undefined;

/** Chooses how functions are called. */
export function connectFunctions(how: Call): void {
  call = how;
}

/** Calls a function. Every function that the storefront calls may be called again with the same request. */
export async function callFunction(name: FunctionName, request: FunctionRequest): Promise<Answer> {
  if (!call) throw new Error('connectFunctions comes first');
  return call(name, request);
}

/**
 * Calls functions over HTTP, each at its own address. A function that is being replaced or started refuses
 * connections for a moment, so a call without an answer is repeated for 10 seconds.
 */
export function callOverHttp(): Call {
  const urls = settings({
    REGISTER_USER_URL: z.url(),
    LOG_IN_URL: z.url(),
    DEPOSIT_MONEY_URL: z.url(),
    CREATE_ORDER_URL: z.url(),
    CANCEL_ORDER_URL: z.url(),
    REPLAY_EVENTS_URL: z.url(),
  });
  const origins = {
    'register-user': urls.REGISTER_USER_URL,
    'log-in': urls.LOG_IN_URL,
    'deposit-money': urls.DEPOSIT_MONEY_URL,
    'create-order': urls.CREATE_ORDER_URL,
    'cancel-order': urls.CANCEL_ORDER_URL,
    'replay-events': urls.REPLAY_EVENTS_URL,
  };
  const connections = new Agent({ connections: 64, headersTimeout: 10_000, bodyTimeout: 10_000 });
  return async (name, { headers, body }) => {
    const text = asText(body);
    const giveUpAt = performance.now() + 10_000;
    // never so long that a caller waits for much longer than the function is away
    for (let pauseMs = 20; ; pauseMs = Math.min(pauseMs * 2, 250)) {
      try {
        const answer = await connections.request({
          origin: new URL(origins[name]).origin,
          path: '/',
          method: 'POST',
          headers: { ...headers, 'content-type': 'application/json' },
          body: text,
        });
        const content = await answer.body.text();
        const type = answer.headers['content-type']?.toString() ?? '';
        // only the function itself answers JSON; a gateway's 502 or 503 means that it was not reached
        if (type.includes('json'))
          return { statusCode: answer.statusCode, headers: kept(answer.headers), body: content };
        throw new Error(`${name} answered ${answer.statusCode} without JSON`);
      } catch (error) {
        if (performance.now() + pauseMs > giveUpAt) {
          const detail = 'This part of the shop does not answer at the moment. Please send the same request again.';
          throw new Problem('unavailable', detail, { retryAfterSeconds: 1, cause: error });
        }
        await wait(pauseMs);
      }
    }
  };
}

function asText(body: unknown): string {
  try {
    return JSON.stringify(body);
  } catch (error) {
    // what could be parsed can be too deep to be written
    throw new Problem('malformed_request', 'The body is nested too deeply.', { cause: error });
  }
}

function kept(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const names = ['content-type', 'location', 'retry-after', 'www-authenticate'];
  return Object.fromEntries(names.flatMap((name) => (headers[name] ? [[name, String(headers[name])]] : [])));
}
