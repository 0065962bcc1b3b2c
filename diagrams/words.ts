/** What the Triggers and the contracts do not say: the words of the pictures, and the order of the story. */

/** The commands in the order of the story, each with its route and what the customer gets at once. */
export const commands: Record<string, { title: string; request: string; answer: string }> = {
  'register-user': { title: 'Register: an account is opened', request: 'POST /v1/users', answer: '201' },
  'deposit-money': { title: 'Deposit: money arrives', request: 'POST …/deposits', answer: '201' },
  'create-order': {
    title: 'Order: charged once and confirmed, or rejected and not charged',
    request: 'POST /v1/orders',
    answer: '202 pending',
  },
  'cancel-order': { title: 'Cancel: refunded, or never charged', request: 'POST …/cancel', answer: '202 canceling' },
};

/** Which fact follows from which, for a function that takes several kinds of events and answers with several. */
export const follows: Record<string, string[]> = {
  'charge.succeeded': ['order.paid'],
  'charge.declined': ['order.rejected'],
  'charge.refunded': ['order.refunded'],
  'charge.voided': ['order.canceled'],
};

/** What a decision means, where a function answers with one of several facts. */
export const outcomes: Record<string, { meaning: string; tone: 'good' | 'bad' }> = {
  'charge.succeeded': { meaning: 'affordable: charged and confirmed', tone: 'good' },
  'charge.declined': { meaning: 'not affordable: rejected, not charged', tone: 'bad' },
  'charge.refunded': { meaning: 'it was charged: the money goes back', tone: 'good' },
  'charge.voided': { meaning: 'it was not charged: now it never can be', tone: 'bad' },
};

/** From which state of an order to which, and by which fact. */
export const transitions: { from: string; to: string; fact: string }[] = [
  { from: 'pending', to: 'rejected', fact: 'charge.declined' },
  { from: 'pending', to: 'paid', fact: 'charge.succeeded' },
  { from: 'pending', to: 'canceling', fact: 'order.cancel_requested' },
  { from: 'paid', to: 'canceling', fact: 'order.cancel_requested' },
  { from: 'canceling', to: 'refunded', fact: 'charge.refunded' },
  { from: 'canceling', to: 'canceled', fact: 'charge.voided' },
];

/** The function that writes to the customer, and its mails. */
export const mailer = 'send-notification';
export const mails: Record<string, string> = {
  'account.opened': 'welcome',
  'deposit.succeeded': 'receipt',
  'order.paid': 'confirmation',
  'order.rejected': 'rejection',
  'order.refunded': 'refund',
  'order.canceled': 'cancellation',
};

/** Functions beside the chains that hand events to the Broker, and what calls them. */
export const repeaters: Record<string, { caller: string; call: string; publishes: string }> = {
  sweep: { caller: 'PingSource', call: 'every minute', publishes: 'what has not ended, again' },
  'replay-events': { caller: 'admin', call: 'on demand', publishes: 'what was parked, again' },
};
