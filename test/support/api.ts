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
  /** Sent as JSON; a text is sent as it is. */
  body?: unknown;
}

/** One request to the API, as anybody may send it. Rejects if there is no answer. */
export async function call<Body = ProblemBody>(
  { url }: Pick<Shop, 'url'>,
  method: string,
  path: string,
  { token, headers = {}, body }: Request = {},
): Promise<Reply<Body>> {
  const answer = await fetch(url + path, {
    method,
    headers: {
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    signal: AbortSignal.timeout(15_000),
  });
  const text = await answer.text();
  const isJson = answer.headers.get('content-type')?.includes('json') ?? false;
  return { status: answer.status, headers: answer.headers, body: (isJson ? JSON.parse(text) : text) as Body };
}

/** A new key for a new deposit or order. */
export const newKey = (): string => uuidv7();

/**
 * Sends a request until it is answered for good, as a careful client does: no answer, 429 and 5xx are repeated. A
 * request that moves money needs an Idempotency-Key for that.
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
    const answer = await call<Body>(shop, method, path, request).catch((error: unknown) => error as Error);
    if (!(answer instanceof Error) && answer.status < 500 && answer.status !== 429) return answer;
    if (Date.now() > deadline) {
      const last = answer instanceof Error ? String(answer) : `${answer.status} ${JSON.stringify(answer.body)}`;
      throw new Error(`${method} ${path} was not answered within ${withinMs} ms: ${last}`);
    }
    await pause(50);
  }
}
