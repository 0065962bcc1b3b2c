import { setTimeout as pause } from 'node:timers/promises';
import { functionNames } from '#local/functions.ts';
import { until } from '#test/support/until.ts';
import { all, ask, deposit, kubectl, namespace, newCustomer, shopUntil, type Customer } from './client.ts';

/** The namespace and the label of the pods of each target. */
export const places: Record<string, [namespace: string, selector: string]> = {
  postgres: [namespace, 'app=postgres'],
  'broker ingress': ['knative-eventing', 'eventing.knative.dev/brokerRole=ingress'],
  'broker filter': ['knative-eventing', 'eventing.knative.dev/brokerRole=filter'],
  dispatcher: ['knative-eventing', 'messaging.knative.dev/role=dispatcher'],
  'mail-catcher': [namespace, 'app=mail-catcher'],
  ...Object.fromEntries(functionNames.map((name) => [name, [namespace, `serving.knative.dev/service=${name}`]])),
};
/** Names for several targets. */
export const groups: Record<string, string[]> = { broker: ['broker ingress', 'broker filter', 'dispatcher'] };

interface Order {
  id: string;
  status: string;
  total: number;
}
interface Mail {
  orderId: string;
  template: string;
  status: string;
}
interface Entry {
  kind: string;
  orderId: string;
}

const ends = new Set(['paid', 'refunded', 'canceled']);

/** What is wrong with the orders of a customer; empty once all are settled, charged and notified once. */
async function problemsOf({ token, ordered, canceled }: Customer): Promise<string[]> {
  const [orders, mails, entries, account] = await Promise.all([
    all<Order>('/orders', token),
    all<Mail>('/notifications', token),
    all<Entry>('/accounts/me/entries', token),
    ask<{ balance: number }>('GET', '/accounts/me', { token }),
  ]);
  const known = new Map(orders.map((order) => [order.id, order]));
  const lost = [...ordered].filter((id) => !known.has(id)).map((id) => `${id}: was accepted and does not exist`);
  const single = orders.flatMap(({ id, status }) => {
    const its = mails.filter(({ orderId }) => orderId === id);
    const sent = its.filter(
      ({ template, status: ofMail }) => template === `order-${status}` && ofMail === 'sent',
    ).length;
    const count = (kind: string) => entries.filter((entry) => entry.orderId === id && entry.kind === kind).length;
    return [
      ...(ends.has(status) && (status === 'paid') !== canceled.has(id) ? [] : [`${id}: is ${status}`]),
      ...(sent === 1 ? [] : [`${id}: its customer was notified ${sent} times that it is ${status}`]),
      ...(new Set(its.map(({ template }) => template)).size === its.length
        ? []
        : [`${id}: one template was sent twice`]),
      ...(count('charge') === (status === 'canceled' ? 0 : 1) ? [] : [`${id}: was charged ${count('charge')} times`]),
      ...(count('refund') === (status === 'refunded' ? 1 : 0) ? [] : [`${id}: was refunded ${count('refund')} times`]),
    ];
  });
  const spent = orders.reduce((sum, { status, total }) => sum + (status === 'paid' ? total : 0), 0);
  const { balance } = account.body;
  return [...lost, ...single, ...(balance === deposit - spent ? [] : [`the balance is ${balance}`])];
}

/** Deletes the pods of one target while customers order; returns a summary, or throws with the problems found. */
export async function deleteByForce(target: string): Promise<string> {
  const began = Date.now();
  const [where, selector] = places[target] ?? ['', ''];
  const customers = await Promise.all(Array.from({ length: 12 }, newCustomer));
  const endAt = Date.now() + 6_000;
  const shopping = customers.map((customer) => shopUntil(endAt, customer));
  // registrations in the meantime start the functions that scale to zero, and put load on them
  const joining = (async () => {
    const joined: Customer[] = [];
    while (Date.now() < endAt) {
      const customer = await newCustomer();
      joined.push(customer);
      await shopUntil(Date.now() + 200, customer);
    }
    return joined;
  })();
  await pause(1_500);
  const pods = (await kubectl('-n', where, 'get', 'pod', '-l', selector, '-o', 'name')).split('\n').filter(Boolean);
  if (pods.length > 0) await kubectl('-n', where, 'delete', ...pods, '--grace-period=0', '--force', '--wait=false');
  const deleted = Date.now();
  await Promise.all(shopping);
  const allCustomers = [...customers, ...(await joining)];
  let wrong: string[] = [];
  await until('every order is settled and notified', async () => {
    wrong = (await Promise.all(allCustomers.map(problemsOf))).flat();
    return wrong.length === 0;
  }).catch((error: Error) => {
    throw new Error(`${wrong.slice(0, 20).join('\n')}\n(${wrong.length} in all, ${error.message.slice(0, 100)})`);
  });
  const orders = allCustomers.reduce((sum, { ordered }) => sum + ordered.size, 0);
  const seconds = (since: number) => ((Date.now() - since) / 1_000).toFixed(1);
  return `${String(pods.length)} deleted, ${String(orders).padStart(4)} orders: all settled, charged and notified once ${seconds(deleted)} s after (${seconds(began)} s)`;
}
