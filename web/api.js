import { token } from './session.js';

/** What the shop did not do, and why, in words for people. */
export class Refused extends Error {
  /**
   * @param {string} message
   * @param {{ code?: string, status?: number, errors?: { field: string, message: string }[] }} [problem] its status is
   *   0 if no answer came
   */
  constructor(message, { code = 'unreachable', status = 0, errors = [] } = {}) {
    super(message);
    this.code = code;
    this.status = status;
    this.errors = errors;
  }
}

let onLogOut = () => {};

/** @param {() => void} ending is called when the token is no longer taken */
export function onSessionEnd(ending) {
  onLogOut = ending;
}

/**
 * One request to the API. Throws `Refused` for everything that is no success.
 *
 * @param {'GET' | 'POST' | 'DELETE'} method
 * @param {string} path below `/v1`
 * @param {{ body?: unknown, key?: string }} [more] `key` is sent as `Idempotency-Key`
 * @returns {Promise<any>} the body of the answer
 */
export async function api(method, path, { body, key } = {}) {
  const carried = token();
  const answer = await request(
    method,
    path,
    {
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(key !== undefined && { 'idempotency-key': key }),
    },
    body === undefined ? null : JSON.stringify(body),
  );
  const content = await answer.json().catch(() => ({}));
  // what was asked for somebody is not shown to whoever came after
  if (carried !== token()) throw new Refused('You have logged out.', { code: 'logged_out' });
  if (answer.ok) return content;
  if (answer.status === 401 && carried !== null) onLogOut();
  throw new Refused([content.title, content.detail].filter(Boolean).join('. ') || `The answer was ${answer.status}.`, {
    ...content,
    status: answer.status,
  });
}

/**
 * A request with the token, if there is one.
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
    throw new Refused('No answer came from the shop. Try again: it is done once, however often you try.');
  }
}

/** The keys of what was sent and not answered for good: a repeat must carry the same. */
const unanswered = new Map();

/**
 * Sends what moves money. If no answer comes, the same again carries the same key, so that it is done once.
 *
 * @param {string} path
 * @param {unknown} body
 */
export async function sendOnce(path, body) {
  const what = `${path} ${JSON.stringify(body)}`;
  const key = unanswered.get(what) ?? newKey();
  unanswered.set(what, key);
  try {
    const answer = await api('POST', path, { body, key });
    unanswered.delete(what);
    return answer;
  } catch (error) {
    const answered = error instanceof Refused && error.status >= 400 && error.status < 500 && error.status !== 429;
    if (answered) unanswered.delete(what);
    throw error;
  }
}

// randomUUID is there only under https
const newKey = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join('-');
