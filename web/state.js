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
 * @typedef {{ view: 'shop' | 'order' | 'shared', id: string }} Place
 */

const nobody = () => ({
  user: /** @type {User | null} */ (null),
  /** Null until it is open. */
  account: /** @type {Account | null} */ (null),
  entries: /** @type {Entry[]} */ ([]),
  orders: /** @type {Order[]} */ ([]),
  mails: /** @type {Mail[]} */ ([]),
  /** How many rows of each list are wanted. */
  wanted: { entries: 10, orders: 10, mails: 10, letters: 20 },
  /** Which of these lists have more rows than are shown. */
  more: { entries: false, orders: false, mails: false, letters: false },
  /** What is known to have happened, by order; the chosen one's is complete. */
  moments: /** @type {Map<string, TimelineEntry[]>} */ (new Map()),
  live: false,
  letters: /** @type {DeadLetter[]} */ ([]),
  bulk: /** @type {BulkReplay | null} */ (null),
  ledger: /** @type {Ledger | null} */ (null),
  figures: /** @type {Stats | null} */ (null),
});

/** What is shown. Whoever changes it says so with `changed`. */
export const state = {
  ...nobody(),
  place: /** @type {Place} */ ({ view: 'shop', id: '' }),
  products: /** @type {Product[]} */ ([]),
  /** A timeline that came with a link; null if the link cannot be read. */
  shared: /** @type {{ id: string, moments: TimelineEntry[] } | null} */ (null),
  /** Rows that show their details, by their key. */
  open: /** @type {Set<string>} */ (new Set()),
  /** What is under way, by the name of its form. */
  busy: /** @type {Set<string>} */ (new Set()),
  /** What was refused, by the name of its form. */
  refused: /** @type {Map<string, Refused>} */ (new Map()),
};

/** Forgets everything of whoever was logged in. */
export function forget() {
  Object.assign(state, nobody());
  state.open.clear();
  state.busy.clear();
  state.refused.clear();
}

let draw = () => {};
let due = false;

/** @param {() => void} drawing is called after changes, once for all that were made together */
export function onChange(drawing) {
  draw = drawing;
}

/** Has the page drawn again. */
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

/** Says something to whoever listens to the page. @param {string} text */
export function say(text) {
  const said = document.getElementById('said');
  if (said) said.textContent = text;
}
