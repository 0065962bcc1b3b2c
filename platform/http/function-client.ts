import { setTimeout as wait } from 'node:timers/promises';
import { Agent } from 'undici';
import { z } from 'zod';
import type { FunctionResponse } from '#platform/events/on-event.ts';
import { Problem } from '#platform/http/problem.ts';
import { settings, SettingsError } from '#platform/runtime/settings.ts';

/** What the storefront forwards to a function: the caller's headers that matter, and the parsed body. */
export interface FunctionRequest {
  headers: Record<string, string>;
  body: unknown;
}

/** Calls a function by its name. Every function that the storefront calls may be called again with the same request. */
export type CallFunction = (name: string, request: FunctionRequest) => Promise<FunctionResponse>;

/** The setting with the address of one function: `CREATE_ORDER_URL`. */
export const urlSetting = (name: string): string => `${name.toUpperCase().replaceAll('-', '_')}_URL`;

/** `http://{name}.shop.svc.cluster.local`: a name can stand in the host only, because a function is called at its root. */
const pattern = z
  .string()
  .refine((text) => {
    const url = URL.parse(text.replace('{name}', 'a'));
    return text.includes('{name}') && url !== null && text.replace('{name}', 'a').replace(/\/$/, '') === url.origin;
  }, 'must be an address without a path, with {name} in it')
  .optional();

/**
 * Where a function is: by its own setting, or by `FUNCTIONS_URL` with its name in place of `{name}`. Throws `SettingsError`.
 */
export function originOf(name: string): string {
  const own = urlSetting(name);
  const { [own]: url, FUNCTIONS_URL } = settings({ [own]: z.url().optional(), FUNCTIONS_URL: pattern }) as Record<
    string,
    string | undefined
  >;
  const found = url ?? FUNCTIONS_URL?.replace('{name}', name);
  if (found === undefined)
    throw new SettingsError(`Settings are missing or invalid – ${own} or FUNCTIONS_URL: is required`);
  return new URL(found).origin;
}

/**
 * Calls functions over HTTP. A function that is being replaced or started briefly refuses connections, so a call
 * without a response is repeated for 10 seconds.
 */
export function createFunctionClient(): CallFunction {
  const connections = new Agent({ connections: 64, headersTimeout: 10_000, bodyTimeout: 10_000 });
  const origins = new Map<string, string>();
  return async (name, { headers, body }) => {
    const origin = origins.get(name) ?? originOf(name);
    origins.set(name, origin);
    const text = asText(body);
    const giveUpAt = performance.now() + 10_000;
    // short enough that a caller waits hardly longer than the function is away
    for (let pauseMs = 20; ; pauseMs = Math.min(pauseMs * 2, 250)) {
      try {
        const response = await connections.request({
          origin,
          path: '/',
          method: 'POST',
          headers: { ...headers, 'content-type': 'application/json' },
          body: text,
        });
        const content = await response.body.text();
        const type = response.headers['content-type']?.toString() ?? '';
        // only the function itself responds with JSON; a gateway's 502 or 503 means that it was not reached
        if (type.includes('json'))
          return { statusCode: response.statusCode, headers: forwarded(response.headers), body: content };
        throw new Error(`${name} responded with ${response.statusCode} without JSON`);
      } catch (error) {
        if (performance.now() + pauseMs > giveUpAt) {
          const detail = 'This part of the shop does not respond right now. Please send the same request again.';
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
    // what could be parsed can be too deep to be serialized
    throw new Problem('malformed_request', 'The body is nested too deeply.', { cause: error });
  }
}

function forwarded(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const names = ['content-type', 'location', 'retry-after', 'www-authenticate'];
  return Object.fromEntries(names.flatMap((name) => (headers[name] ? [[name, String(headers[name])]] : [])));
}
