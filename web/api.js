import { token } from './session.js';

/** A request that failed, with a message for the user. */
export class Refused extends Error {
  /**
   * @param {string} message
   * @param {{ code?: string, status?: number, errors?: { field: string, message: string }[] }} [problem] its status is
   *   0 without a response
   */
  constructor(message, { code = 'unreachable', status = 0, errors = [] } = {}) {
    super(message);
    this.code = code;
    this.status = status;
    this.errors = errors;
  }
}

let onLogOut = () => {};

/** @param {() => void} ending is called when the token is no longer accepted */
export function onSessionEnd(ending) {
  onLogOut = ending;
}

/**
 * Sends a request to the API. Throws `Refused` unless it succeeds.
 *
 * @param {'GET' | 'POST' | 'DELETE'} method
 * @param {string} path below `/v1`
 * @param {{ body?: unknown, key?: string }} [more] `key` is sent as `Idempotency-Key`
 * @returns {Promise<any>} the body of the response
 */
export async function api(method, path, { body, key } = {}) {
  const carried = token();
  const response = await request(
    method,
    path,
    {
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(key !== undefined && { 'idempotency-key': key }),
    },
    body === undefined ? null : JSON.stringify(body),
  );
  const content = await response.json().catch(() => ({}));
  // a response is not shown to the next user
  if (carried !== token()) throw new Refused('You have logged out.', { code: 'logged_out' });
  if (response.ok) return content;
  if (response.status === 401 && carried !== null) onLogOut();
  const { status } = response;
  const message = [content.title, content.detail].filter(Boolean).join('. ') || `The shop responded with ${status}.`;
  throw new Refused(message, { ...content, status });
}

/**
 * Sends a request with the token, if there is one.
 *
 * @param {string} method
 * @param {string} path
 * @param {Record<string, string>} headers
 * @param {string | null} [body]
 * @param {AbortSignal} [signal]
 */
export async function request(method, path, headers, body = null, signal = AbortSignal.timeout(20_000)) {
  const carried = token();
  const authorization = carried === null ? {} : { authorization: `Bearer ${carried}` };
  try {
    return await fetch(`/v1${path}`, { method, headers: { ...headers, ...authorization }, body, signal });
  } catch (error) {
    if (signal.aborted && signal.reason?.name !== 'TimeoutError') throw error;
    throw new Refused('The shop did not respond. Please try again: nothing is done twice.');
  }
}

/** The keys of requests without a final response: a repeat must carry the same key. */
const pending = new Map();

/**
 * Sends a request that moves money. Without a response, a repeat carries the same key, so that it is done once.
 *
 * @param {string} path
 * @param {unknown} body
 */
export async function sendOnce(path, body) {
  const what = `${path} ${JSON.stringify(body)}`;
  const key = pending.get(what) ?? newKey();
  pending.set(what, key);
  try {
    const response = await api('POST', path, { body, key });
    pending.delete(what);
    return response;
  } catch (error) {
    const isFinal = error instanceof Refused && error.status >= 400 && error.status < 500 && error.status !== 429;
    if (isFinal) pending.delete(what);
    throw error;
  }
}

// randomUUID exists only under https
const newKey = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join('-');
