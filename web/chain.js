import { consumers } from './topology.js';
import { shortType } from './words.js';

/** @import { TimelineEntry } from './state.js' */

const always = ['create-order', 'charge-account', 'settle-order', 'send-notification', 'mailbox'];
const order = [
  ...['create-order', 'cancel-order', 'charge-account', 'refund-charge', 'settle-order', 'send-notification'],
  ...['mailbox', 'park-event', 'replay-events'],
];

/** @typedef {{ from: string, to: string, tone: 'plain' | 'good' | 'bad' | 'waiting', text: string }} Arrow */

const bad = new Set(['shop.charge.declined.v1', 'shop.order.rejected.v1']);
const good = new Set([
  'shop.charge.succeeded.v1',
  'shop.order.paid.v1',
  'shop.charge.refunded.v1',
  'shop.order.refunded.v1',
]);

/** The arrow of an entry: its ends, its tone and its text. @param {TimelineEntry} entry @returns {Arrow} */
export function arrowOf({ type, function: by, detail }) {
  const event = typeof detail['event'] === 'string' ? detail['event'] : '';
  const of = shortType(event);
  const consumer = consumers[event]?.[0] ?? by;
  switch (type) {
    case 'notification.queued':
      return { from: by, to: by, tone: 'plain', text: 'mail recorded' };
    case 'notification.sent':
      return { from: by, to: 'mailbox', tone: 'good', text: 'mail sent' };
    case 'event.parked':
      return { from: consumer, to: by, tone: 'bad', text: `${of} parked` };
    case 'event.replayed':
      return { from: by, to: consumer, tone: 'plain', text: `${of} replayed` };
    case 'event.due': {
      const times = Number(detail['repeats']);
      return {
        from: by,
        to: consumer,
        tone: 'waiting',
        text: `${of} repeated ${times === 1 ? 'once' : `${times} times`}`,
      };
    }
    default: {
      const tone = bad.has(type) ? 'bad' : good.has(type) ? 'good' : 'plain';
      return { from: by, to: consumers[type]?.[0] ?? by, tone, text: shortType(type) };
    }
  }
}

/** The functions in the chain, from left to right. @param {Arrow[]} arrows */
export function lanesOf(arrows) {
  const used = new Set([...always, ...arrows.flatMap(({ from, to }) => [from, to])]);
  return [...order.filter((name) => used.has(name)), ...[...used].filter((name) => !order.includes(name))];
}
