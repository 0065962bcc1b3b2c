/** @import { Refused } from './api.js' */

/**
 * @typedef {{ id: string, email: string, name: string }} User
 * @typedef {{ id: string, balance: number, currency: string }} Account
 * @typedef {{ id: string, kind: 'deposit' | 'charge' | 'refund', amount: number, balance: number, orderId: string | null,
 *   createdAt: string }} Entry
 * @typedef {{ sku: string, name: string, price: number, currency: string }} Product
 * @typedef {{ sku: string, name: string, quantity: number, unitPrice: number }} Item
 * @typedef {'pending' | 'paid' | 'rejected' | 'canceling' | 'canceled' | 'refunded'} Status
 * @typedef {{ id: string, status: Status, reason: string | null, total: number, currency: string, items: Item[],
 *   createdAt: string }} Order
 * @typedef {{ id: string, orderId: string | null, to: string, subject: string, status: 'queued' | 'sent' | 'failed',
 *   createdAt: string }} Mail
 * @typedef {{ at: string, type: string, function: string, id: string, correlationId: string,
 *   detail: Record<string, unknown> }} TimelineEntry
 * @typedef {{ id: string, status: 'parked' | 'replaying' | 'done', verified: boolean, reason: string, detail: string,
 *   eventId: string, type: string, source: string, times: number, firstParkedAt: string, event?: unknown }} DeadLetter
 * @typedef {{ startedAt: string | null, endsAt: string | null, total: number, waiting: number, replaying: number,
 *   done: number, parked: number }} BulkReplay
 * @typedef {{ balanced: boolean, accounts: number, transfers: number, orders: number, differences: unknown[] }} Ledger
 * @typedef {{ seconds: number, orders: number, decided: number, medianMs: number | null, p99Ms: number | null,
 *   openChains: number }} Stats
 * @typedef {{ id: string, entries: TimelineEntry[] }} SharedTimeline
 * @typedef {{ view: 'shop' | 'order' | 'shared', id: string }} Place
 */

/** The state without a session. */
const loggedOut = () => ({
  user: /** @type {User | null} */ (null),
  /** Null until it is open. */
  account: /** @type {Account | null} */ (null),
  entries: /** @type {Entry[]} */ ([]),
  orders: /** @type {Order[]} */ ([]),
  mails: /** @type {Mail[]} */ ([]),
  /** How many rows of each list are wanted. */
  wanted: { entries: 10, orders: 10, mails: 10, deadLetters: 20 },
  /** Which of these lists have more rows than are shown. */
  more: { entries: false, orders: false, mails: false, deadLetters: false },
  /** The known timeline entries of each order; those of the selected order are complete. */
  timelines: /** @type {Map<string, TimelineEntry[]>} */ (new Map()),
  live: false,
  deadLetters: /** @type {DeadLetter[]} */ ([]),
  bulk: /** @type {BulkReplay | null} */ (null),
  ledger: /** @type {Ledger | null} */ (null),
  stats: /** @type {Stats | null} */ (null),
});

/** What the page shows. After a change, call `changed`. */
export const state = {
  ...loggedOut(),
  place: /** @type {Place} */ ({ view: 'shop', id: '' }),
  products: /** @type {Product[]} */ ([]),
  /** A timeline that came with a link; null if the link cannot be read. */
  shared: /** @type {SharedTimeline | null} */ (null),
  /** Rows that show their details, by their key. */
  open: /** @type {Set<string>} */ (new Set()),
  /** The names of the forms and buttons whose request is in flight. */
  busy: /** @type {Set<string>} */ (new Set()),
  /** What the shop refused, by the name of the form or button. */
  refused: /** @type {Map<string, Refused>} */ (new Map()),
};

/** Removes everything about the user who was logged in. */
export function forget() {
  Object.assign(state, loggedOut());
  state.open.clear();
  state.busy.clear();
  state.refused.clear();
}

let draw = () => {};
let due = false;

/** @param {() => void} drawing is called once for all changes that were made together */
export function onChange(drawing) {
  draw = drawing;
}

/** Draws the page again, soon. */
export function changed() {
  if (due) return;
  due = true;
  queueMicrotask(() => {
    due = false;
    draw();
  });
}

/** Shows or hides the details of a row. @param {string} key */
export function toggle(key) {
  if (!state.open.delete(key)) state.open.add(key);
  changed();
}

/** Announces a text to screen readers. @param {string} text */
export function announce(text) {
  const element = document.getElementById('announcement');
  if (element) element.textContent = text;
}
