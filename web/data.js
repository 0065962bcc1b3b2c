import { api, Refused } from './api.js';
import { changed, say, state } from './state.js';
import { shortId, why } from './words.js';

/** @import { TimelineEntry, Order } from './state.js' */

/** @typedef {'account' | 'orders' | 'mails' | 'timeline'} Part */

/** @type {Record<Part, () => Promise<void>>} */
const readers = { account: readAccount, orders: readOrders, mails: readMails, timeline: readTimeline };

const reading = new Set();
const wantedAgain = new Set();

/**
 * Reads parts of what is shown again; of each at most one reading is under way, and one waits. What the shop does not
 * answer is shown, and as old as it is until the next reading.
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
 * The first pages of a list, until there are as many rows as are wanted.
 *
 * @param {'entries' | 'orders' | 'mails' | 'letters'} list
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
    if (before.has(order.id) && before.get(order.id) !== order.status) say(describe(order));
  }
}

async function readMails() {
  state.mails = await rows('mails', '/notifications');
}

/** What becomes of an order, in one sentence. @param {Order} order */
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
    // what is no fact, such as when a repeat is due, is as the newest answer says
    const known = (state.moments.get(id) ?? []).filter(({ type }) => !type.startsWith('event.'));
    state.moments.set(id, merged(known, data));
    state.refused.delete('timeline');
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    state.refused.set('timeline', error);
  }
}

/** @param {TimelineEntry[]} known @param {TimelineEntry[]} more */
function merged(known, more) {
  const byKey = new Map([...known, ...more].map((moment) => [keyOf(moment), moment]));
  return [...byKey.values()].sort((a, b) => a.at.localeCompare(b.at));
}

/** What tells one moment from another. @param {TimelineEntry} moment */
export const keyOf = ({ type, id, at }) => `${type} ${id} ${at}`;

/** Something has just happened: shows it at once, and reads what it has changed. @param {TimelineEntry} moment */
export function happened(moment) {
  const orderId = /^(.{36})\.(?:placed|cancel_requested)$/.exec(moment.correlationId)?.[1];
  if (orderId) state.moments.set(orderId, merged(state.moments.get(orderId) ?? [], [moment]));
  changed();
  const [, object = ''] = moment.type.split('.');
  if (moment.type.startsWith('notification.')) void refresh('mails');
  else if (object === 'order') void refresh('orders', 'account');
  else void refresh('account');
}

/** Whether more will happen to an order without anybody's doing. @param {Order} order */
export const isInFlight = ({ status }) => status === 'pending' || status === 'canceling';
