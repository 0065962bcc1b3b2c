import { setTimeout as pause } from 'node:timers/promises';
import { uuidv7 } from 'uuidv7';
import type { Shop } from './shop.ts';

export interface Reply<Body> {
  status: number;
  headers: Headers;
  body: Body;
}

export interface ProblemBody {
  code: string;
  status: number;
  detail: string;
  errors?: { field: string; message: string }[];
}

interface Request {
  token?: string | undefined;
  headers?: Record<string, string>;
  /** Sent as JSON; a string is sent unchanged. */
  body?: unknown;
}

/** Sends one request to the public API. Rejects if there is no response. */
export async function call<Body = ProblemBody>(
  { url }: Pick<Shop, 'url'>,
  method: string,
  path: string,
  { token, headers = {}, body }: Request = {},
): Promise<Reply<Body>> {
  const response = await fetch(url + path, {
    method,
    headers: {
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    signal: AbortSignal.timeout(15_000),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') ?? false;
  return { status: response.status, headers: response.headers, body: (isJson ? JSON.parse(text) : text) as Body };
}

/** A new Idempotency-Key. */
export const newKey = (): string => uuidv7();

/**
 * Retries a request until its response is final, as a careful client does: after no response, 429 and 5xx. A request that
 * moves money needs an Idempotency-Key for that.
 */
export async function callUntilResponse<Body = ProblemBody>(
  shop: Pick<Shop, 'url'>,
  method: string,
  path: string,
  request: Request = {},
  withinMs = 90_000,
): Promise<Reply<Body>> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const reply = await call<Body>(shop, method, path, request).catch((error: unknown) => error as Error);
    if (!(reply instanceof Error) && reply.status < 500 && reply.status !== 429) return reply;
    if (Date.now() > deadline) {
      const last = reply instanceof Error ? String(reply) : `${reply.status} ${JSON.stringify(reply.body)}`;
      throw new Error(`${method} ${path} got no final response within ${withinMs} ms; the last was: ${last}`);
    }
    await pause(50);
  }
}
