/** `80000, 'usd'` → `800.00 USD`. @param {number} amount in minor units @param {string} currency */
export function money(amount, currency) {
  const minor = String(Math.abs(amount)).padStart(3, '0');
  return `${amount < 0 ? '−' : ''}${minor.slice(0, -2)}.${minor.slice(-2)} ${currency.toUpperCase()}`;
}

/** Minor units of an amount as typed, such as `1000` or `12.50`; NaN if it is not an amount. @param {string} typed */
export function minorUnits(typed) {
  const [, whole = '', part = ''] = /^\s*(\d{1,13})(?:[.,](\d{1,2}))?\s*$/.exec(typed) ?? [];
  return whole === '' ? Number.NaN : Number(whole + part.padEnd(2, '0'));
}

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'short', timeStyle: 'short' });

/** @param {string} at */
export const time = (at) => clock.format(new Date(at));

/** @param {string} at */
export const dayAndTime = (at) => day.format(new Date(at));

/** The end of an id, its random part, which is enough to distinguish orders. @param {string} id */
export const shortId = (id) => `…${id.slice(-6)}`;

/** `shop.order.paid.v1` → `order.paid`. @param {string} type */
export const shortType = (type) => type.replace(/^shop\./, '').replace(/\.v1$/, '');

/** Why an order was rejected. @type {Record<string, string>} */
const reasons = {
  insufficient_funds: 'not enough money in the account',
  currency_mismatch: 'the account has a different currency',
  account_not_found: 'there is no account',
  order_canceled: 'it was canceled',
};

/** @param {string} reason */
export const why = (reason) => reasons[reason] ?? reason;
