/** What the Triggers and the contracts do not define: the texts of the pictures, and the order of the scenario. */

/** The commands in the order of the scenario, each with its route and its response. */
export const commands: Record<string, { title: string; request: string; response: string }> = {
  'register-user': { title: 'Register: an account is opened', request: 'POST /v1/users', response: '201' },
  'deposit-money': { title: 'Deposit: money arrives', request: 'POST …/deposits', response: '201' },
  'create-order': {
    title: 'Order: charged once and confirmed, or rejected and not charged',
    request: 'POST /v1/orders',
    response: '202 pending',
  },
  'cancel-order': { title: 'Cancel: refunded, or never charged', request: 'POST …/cancel', response: '202 canceling' },
};

/** Which event follows from which, for a function that consumes and produces several event types. */
export const follows: Record<string, string[]> = {
  'charge.succeeded': ['order.paid'],
  'charge.declined': ['order.rejected'],
  'charge.refunded': ['order.refunded'],
  'charge.voided': ['order.canceled'],
};

/** What an outcome means, where a function replies with one of several events. */
export const outcomes: Record<string, { meaning: string; tone: 'good' | 'bad' }> = {
  'charge.succeeded': { meaning: 'affordable: charged and confirmed', tone: 'good' },
  'charge.declined': { meaning: 'not affordable: rejected, not charged', tone: 'bad' },
  'charge.refunded': { meaning: 'charged before: the money is refunded', tone: 'good' },
  'charge.voided': { meaning: 'not charged before: now it never can be', tone: 'bad' },
};

/** The transitions of an order: from which state, to which state, on which event. */
export const transitions: { from: string; to: string; event: string }[] = [
  { from: 'pending', to: 'rejected', event: 'charge.declined' },
  { from: 'pending', to: 'paid', event: 'charge.succeeded' },
  { from: 'pending', to: 'canceling', event: 'order.cancel_requested' },
  { from: 'paid', to: 'canceling', event: 'order.cancel_requested' },
  { from: 'canceling', to: 'refunded', event: 'charge.refunded' },
  { from: 'canceling', to: 'canceled', event: 'charge.voided' },
];

/** The function that notifies the customer, and its mails. */
export const mailer = 'send-notification';
export const mails: Record<string, string> = {
  'account.opened': 'welcome',
  'deposit.succeeded': 'receipt',
  'order.paid': 'confirmation',
  'order.rejected': 'rejection',
  'order.refunded': 'refund',
  'order.canceled': 'cancellation',
};

/** Functions outside the chains that publish events again, and what calls them. */
export const republishers: Record<string, { caller: string; call: string; publishes: string }> = {
  sweep: { caller: 'PingSource', call: 'every minute', publishes: 'unfinished chains, again' },
  'replay-events': { caller: 'admin', call: 'on demand', publishes: 'parked events, again' },
};
