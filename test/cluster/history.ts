import type { Account, Entry, Notification, Order } from '#test/support/customers.ts';
import { all, ask, deposit, renewSession, type Customer } from './client.ts';
import type { SentOrder } from './load.ts';

/** `late`: settled after the limit of the row. `other`: everything else that must never be seen. */
export type ProblemKind = 'lost' | 'double' | 'stuck' | 'late' | 'other';

export interface Problem {
  kind: ProblemKind;
  text: string;
}

/** When an order was settled and its notification recorded, by the clock of the database. */
export interface Ending {
  settledAt: number;
  notifiedAt: number;
}

export interface History {
  /** Empty once everything that the customer did has ended as it should. */
  problems: Problem[];
  /** By order. */
  endings: Map<string, Ending>;
  /** When each order was created, by the clock of the database. */
  createdAt: Map<string, number>;
}

/** The final states of an order. */
const finalStates: Record<SentOrder['kind'], string[]> = {
  keep: ['paid'],
  cancel: ['canceled', 'refunded'],
  reject: ['rejected'],
};

/** The mails that a recipient gets one by one in an hour; further ones wait for a digest. */
const mailsInAnHour = 30;

/**
 * Reads everything that the API shows of a customer and compares it with what the customer sent, once every order of theirs
 * was accepted. `untilSent`: every mail has to be sent, and not only recorded.
 */
export async function readHistory(customer: Customer, sent: SentOrder[], untilSent = false): Promise<History> {
  await renewSession(customer);
  const { token } = customer;
  const [orders, mails, entries, account] = await Promise.all([
    all<Order>('/orders', token),
    all<Notification>('/notifications', token),
    all<Entry>('/accounts/me/entries', token),
    ask<Account>('GET', '/accounts/me', { token }),
  ]);
  const problems = [
    ...ordersAsSent(orders, sent),
    ...orders.flatMap((order) => [...chargesOf(order, entries), ...notificationsOf(order, mails)]),
    ...standing(orders, entries, account.body),
    ...ownMails(mails, untilSent),
  ];
  const endings = orders.flatMap(({ id, status, settledAt }): [string, Ending][] => {
    const mail = mails.find(({ orderId, template }) => orderId === id && template === `order-${status}`);
    if (settledAt === null || !mail) return [];
    return [[id, { settledAt: Date.parse(settledAt), notifiedAt: Date.parse(mail.createdAt) }]];
  });
  return {
    problems,
    endings: new Map(endings),
    createdAt: new Map(orders.map(({ id, createdAt }) => [id, Date.parse(createdAt)])),
  };
}

const isOpen = (status: string) => ['pending', 'canceling'].includes(status);
const problem = (kind: ProblemKind, text: string): Problem => ({ kind, text });

/** Every accepted order exists and ends as it should, and there is no other. */
function ordersAsSent(orders: Order[], sent: SentOrder[]): Problem[] {
  const known = new Map(orders.map((order) => [order.id, order]));
  const ids = new Set(sent.map(({ id }) => id));
  return [
    ...sent.flatMap(({ id = '', kind }) => {
      const status = known.get(id)?.status;
      if (status === undefined) return [problem('lost', `${id}: was accepted and does not exist`)];
      if (finalStates[kind].includes(status)) return [];
      return [problem(isOpen(status) ? 'stuck' : 'other', `${id} (${kind}): is ${status}`)];
    }),
    ...(ids.size === sent.length ? [] : [problem('other', 'two requests got the same order')]),
    ...orders
      .filter(({ id }) => !ids.has(id))
      .map(({ id }) => problem('double', `${id}: a second order of a request that was sent again`)),
  ];
}

/** One charge of the total; one refund of it if it was refunded. */
function chargesOf({ id, status, total }: Order, entries: Entry[]): Problem[] {
  const amounts = (kind: string) =>
    entries.filter((entry) => entry.orderId === id && entry.kind === kind).map(({ amount }) => amount);
  const charged = ['paid', 'refunded'].includes(status);
  return [
    ...compareMoney(id, 'charge', amounts('charge'), charged ? [-total] : [], status),
    ...compareMoney(id, 'refund', amounts('refund'), status === 'refunded' ? [total] : [], status),
  ];
}

function compareMoney(id: string, what: string, found: number[], expected: number[], status: string): Problem[] {
  if (found.join() === expected.join()) return [];
  // in flight: charged and not yet settled, or refunded and not yet so
  if (isOpen(status) && found.length <= 1) return [];
  const kind = found.length > 1 ? 'double' : 'other';
  return [problem(kind, `${id} is ${status}: ${what} of ${found.join(' and ') || 'nothing'}`)];
}

/** One mail of each template, and one of its state. */
function notificationsOf({ id, status }: Order, mails: Notification[]): Problem[] {
  const templates = mails.filter(({ orderId }) => orderId === id).map(({ template }) => template);
  const expected = new Set(status === 'refunded' ? ['order-paid', 'order-refunded'] : [`order-${status}`]);
  const unexpected = templates.filter((template) => !expected.has(template));
  return [
    ...(new Set(templates).size === templates.length
      ? []
      : [problem('double', `${id}: notified of ${templates.join()}`)]),
    ...(isOpen(status) || unexpected.length === 0
      ? []
      : [problem('other', `${id} is ${status}: notified of ${unexpected.join()}`)]),
    ...(isOpen(status) || templates.includes(`order-${status}`)
      ? []
      : [problem('stuck', `${id} is ${status}: not notified of it`)]),
  ];
}

/** Every entry continues the one before; the balance is the deposit less the charges plus the refunds. */
function standing(orders: Order[], entries: Entry[], { balance, version }: Account): Problem[] {
  const history = entries.toSorted((a, b) => a.version - b.version);
  const broken = history.flatMap((entry, index) => {
    const before = history[index - 1]?.balance ?? 0;
    if (entry.version === index + 1 && entry.balance === before + entry.amount) return [];
    return [problem('other', `entry ${entry.version}: ${before} ${entry.amount} gives ${entry.balance}`)];
  });
  const ids = new Set<string | null>(orders.map(({ id }) => id));
  const deposits = history.filter(({ kind }) => kind === 'deposit');
  const foreign = history.filter(({ kind, orderId }) => kind !== 'deposit' && !ids.has(orderId));
  const spent = orders.reduce((sum, { status, total }) => sum + (status === 'paid' ? total : 0), 0);
  const last = history.at(-1);
  // read after the entries: an entry may have been added in between
  const moved = version > history.length;
  return [
    ...broken,
    ...(deposits.length === 1 && deposits[0]?.amount === deposit
      ? []
      : [problem(deposits.length > 1 ? 'double' : 'lost', `${deposits.length} deposits`)]),
    ...foreign.map(({ kind, orderId }) => problem('other', `a ${kind} of the order ${orderId}, which does not exist`)),
    ...(moved || last?.balance === balance
      ? []
      : [problem('other', `the balance is ${balance}, not ${last?.balance}`)]),
    ...(balance === deposit - spent
      ? []
      : [problem('stuck', `the balance is ${balance}; deposits less charges plus refunds are ${deposit - spent}`)]),
  ];
}

/** One welcome and one mail of the deposit, and no mail that failed. */
function ownMails(mails: Notification[], untilSent: boolean): Problem[] {
  const count = (template: string) => mails.filter((mail) => mail.template === template).length;
  const isCapped = mails.length > mailsInAnHour;
  return [
    ...['welcome', 'deposit-received'].flatMap((template) =>
      count(template) === 1
        ? []
        : [problem(count(template) > 1 ? 'double' : 'stuck', `${count(template)} mails ${template}`)],
    ),
    ...mails
      .filter(({ status }) => status === 'failed' || (untilSent && !isCapped && status !== 'sent'))
      .map(({ orderId, template, status }) => problem('stuck', `${orderId ?? ''}: its mail ${template} is ${status}`)),
  ];
}
