import { api, Refused } from './api.js';
import { announce, changed, state } from './state.js';
import { shortId, why } from './words.js';

/** @import { TimelineEntry, Order } from './state.js' */

/** @typedef {'account' | 'orders' | 'mails' | 'timeline'} Part */

/** @type {Record<Part, () => Promise<void>>} */
const readers = { account: readAccount, orders: readOrders, mails: readMails, timeline: readTimeline };

const reading = new Set();
const wantedAgain = new Set();

/**
 * Reads parts of the page again. Each part has at most one read in flight and one waiting. If a read fails, the page
 * shows the error and the old data until the next read.
 *
 * @param {...Part} parts
 */
export async function refresh(...parts) {
  try {
    await Promise.all(parts.map(read));
    state.refused.delete('data');
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (error.code !== 'logged_out') state.refused.set('data', error);
    changed();
  }
}

/** @param {Part} part @returns {Promise<void>} */
async function read(part) {
  if (reading.has(part)) {
    wantedAgain.add(part);
    return;
  }
  reading.add(part);
  try {
    await readers[part]();
  } finally {
    reading.delete(part);
    changed();
  }
  if (wantedAgain.delete(part)) await read(part);
}

/**
 * Reads the first pages of a list, until there are as many rows as wanted.
 *
 * @param {'entries' | 'orders' | 'mails' | 'deadLetters'} list
 * @param {string} path
 */
export async function rows(list, path) {
  const wanted = state.wanted[list];
  const found = [];
  /** @type {string | null} */
  let cursor = '';
  while (cursor !== null && found.length < wanted) {
    const limit = Math.min(wanted - found.length, 100);
    const page = await api('GET', `${path}?limit=${limit}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    found.push(...page.data);
    cursor = page.nextCursor;
  }
  state.more[list] = cursor !== null;
  return found;
}

async function readAccount() {
  try {
    state.account = await api('GET', '/accounts/me');
  } catch (error) {
    if (!(error instanceof Refused) || error.code !== 'account_not_open') throw error;
    state.account = null;
    return;
  }
  state.entries = await rows('entries', '/accounts/me/entries');
}

async function readOrders() {
  const before = new Map(state.orders.map(({ id, status }) => [id, status]));
  state.orders = await rows('orders', '/orders');
  for (const order of state.orders) {
    if (before.has(order.id) && before.get(order.id) !== order.status) announce(describe(order));
  }
}

async function readMails() {
  state.mails = await rows('mails', '/notifications');
}

/** The status of an order, in one sentence. @param {Order} order */
export const describe = ({ id, status, reason }) =>
  `Order ${shortId(id)} is ${status}${reason ? `: ${why(reason)}` : ''}.`;

export async function readProducts() {
  state.products = (await api('GET', '/products?limit=100')).data;
  changed();
}

export async function readUser() {
  state.user = await api('GET', '/users/me');
  changed();
}

async function readTimeline() {
  const { view, id } = state.place;
  if (view !== 'order') return;
  try {
    const { data } = await api('GET', `/orders/${encodeURIComponent(id)}/timeline`);
    // only the newest response has the entries of deliveries, such as the time of the next repeat
    const known = (state.timelines.get(id) ?? []).filter(({ type }) => !type.startsWith('event.'));
    state.timelines.set(id, merged(known, data));
    state.refused.delete('timeline');
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    state.refused.set('timeline', error);
  }
}

/** @param {TimelineEntry[]} known @param {TimelineEntry[]} more */
function merged(known, more) {
  const byKey = new Map([...known, ...more].map((entry) => [keyOf(entry), entry]));
  return [...byKey.values()].sort((a, b) => a.at.localeCompare(b.at));
}

/** The key of an entry. @param {TimelineEntry} entry */
export const keyOf = ({ type, id, at }) => `${type} ${id} ${at}`;

/** Shows a new entry at once, and reads what it has changed. @param {TimelineEntry} entry */
export function addEntry(entry) {
  const orderId = /^(.{36})\.(?:placed|cancel_requested)$/.exec(entry.correlationId)?.[1];
  if (orderId) state.timelines.set(orderId, merged(state.timelines.get(orderId) ?? [], [entry]));
  changed();
  const [, object = ''] = entry.type.split('.');
  if (entry.type.startsWith('notification.')) void refresh('mails');
  else if (object === 'order') void refresh('orders', 'account');
  else void refresh('account');
}

/** Whether the status of an order will still change by itself. @param {Order} order */
export const isInFlight = ({ status }) => status === 'pending' || status === 'canceling';
