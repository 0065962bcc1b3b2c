import { request, Refused } from './api.js';
import { addEntry, isInFlight, refresh } from './data.js';
import { changed, state } from './state.js';
import { isAdmin } from './session.js';

/** @type {AbortController | undefined} */
let current;
let lastEventId = '';

/** Follows the events of the user until `stopFollowing`; an interrupted stream is resumed where it stopped. */
export async function follow() {
  stopFollowing();
  const mine = new AbortController();
  current = mine;
  while (!mine.signal.aborted) {
    const pauseMs = await listen(mine.signal).then(() => 1_000, afterRefusal);
    if (mine.signal.aborted) return;
    state.live = false;
    changed();
    await pause(pauseMs);
    // without the stream the page still updates, only later
    await refresh('account', 'orders', 'mails', 'timeline');
  }
}

export function stopFollowing() {
  current?.abort();
  current = undefined;
  lastEventId = '';
}

/** How long to wait after a stream was refused. @param {unknown} error */
function afterRefusal(error) {
  const status = error instanceof Refused ? error.status : 0;
  // a cursor of another shop, or one older than a day, cannot be resumed
  if (status === 400) lastEventId = '';
  return status === 429 ? 5_000 : 1_000;
}

/** @param {number} ms */
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** @param {AbortSignal} signal */
async function listen(signal) {
  // EventSource cannot send the token in a header, and a token does not belong in a URL
  const response = await request('GET', '/events', lastEventId ? { 'last-event-id': lastEventId } : {}, null, signal);
  if (!response.ok || !response.body) throw new Refused('There is no stream.', { status: response.status });
  state.live = true;
  changed();
  for await (const { id, event, data } of messages(response.body)) {
    if (signal.aborted) return;
    // the stream has skipped events
    if (event === 'reset') void refresh('account', 'orders', 'mails', 'timeline');
    else if (data) addEntry(JSON.parse(data));
    if (id) lastEventId = id;
  }
}

/**
 * The messages of a stream of Server-Sent Events (HTML, section 9.2.6), with the line endings that the shop sends.
 *
 * @param {ReadableStream<Uint8Array<ArrayBuffer>>} body
 */
async function* messages(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ''; ;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (text + value).split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      /** @type {Record<string, string>} */
      const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: ?(.*)/s, 2)));
      yield { id: fields['id'], event: fields['event'], data: fields['data'] };
    }
  }
}

const timeoutMs = 2_000;

/**
 * Polls for what the stream does not carry: repeats and dead letters of a chain. Polls only while the selected order is
 * in flight without new entries, or while the account is not open yet.
 */
export function pollWhileQuiet() {
  setInterval(() => {
    if (!state.user || isAdmin()) return;
    const { view, id } = state.place;
    const order = state.orders.find((one) => one.id === id);
    const newest = state.timelines.get(id)?.at(-1)?.at ?? '';
    const quiet = Date.now() - Date.parse(newest) > timeoutMs || newest === '';
    if (!state.account) void refresh('account');
    if (view === 'order' && order && isInFlight(order) && quiet) void refresh('timeline', 'orders', 'account');
  }, timeoutMs);
}
