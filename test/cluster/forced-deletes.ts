import { setTimeout as pause } from 'node:timers/promises';
import { functionNames } from '#local/functions.ts';
import { until } from '#test/support/until.ts';
import { all, ask, deposit, kubectl, namespace, newCustomer, shopUntil, type Customer } from './client.ts';

/** Where the pods of a victim are, and by which label. */
export const places: Record<string, [namespace: string, selector: string]> = {
  postgres: [namespace, 'app=postgres'],
  'broker ingress': ['knative-eventing', 'eventing.knative.dev/brokerRole=ingress'],
  'broker filter': ['knative-eventing', 'eventing.knative.dev/brokerRole=filter'],
  dispatcher: ['knative-eventing', 'messaging.knative.dev/role=dispatcher'],
  'mail-catcher': [namespace, 'app=mail-catcher'],
  ...Object.fromEntries(functionNames.map((name) => [name, [namespace, `serving.knative.dev/service=${name}`]])),
};
/** Several of them by one name. */
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

/** What is not as it has to be; nothing once everything has come to its end. */
async function wrongWith({ token, ordered, canceled }: Customer): Promise<string[]> {
  const [orders, mails, entries, account] = await Promise.all([
    all<Order>('/orders', token),
    all<Mail>('/notifications', token),
    all<Entry>('/accounts/me/entries', token),
    ask<{ balance: number }>('GET', '/accounts/me', { token }),
  ]);
  const there = new Map(orders.map((order) => [order.id, order]));
  const lost = [...ordered].filter((id) => !there.has(id)).map((id) => `${id}: was accepted and is not there`);
  const single = orders.flatMap(({ id, status }) => {
    const its = mails.filter(({ orderId }) => orderId === id);
    const told = its.filter(({ template, status: sent }) => template === `order-${status}` && sent === 'sent').length;
    const count = (kind: string) => entries.filter((entry) => entry.orderId === id && entry.kind === kind).length;
    return [
      ...(ends.has(status) && (status === 'paid') !== canceled.has(id) ? [] : [`${id}: is ${status}`]),
      ...(told === 1 ? [] : [`${id}: its customer was told ${told} times that it is ${status}`]),
      ...(new Set(its.map(({ template }) => template)).size === its.length ? [] : [`${id}: something was told twice`]),
      ...(count('charge') === (status === 'canceled' ? 0 : 1) ? [] : [`${id}: was charged ${count('charge')} times`]),
      ...(count('refund') === (status === 'refunded' ? 1 : 0) ? [] : [`${id}: was refunded ${count('refund')} times`]),
    ];
  });
  const spent = orders.reduce((sum, { status, total }) => sum + (status === 'paid' ? total : 0), 0);
  const { balance } = account.body;
  return [...lost, ...single, ...(balance === deposit - spent ? [] : [`the balance is ${balance}`])];
}

/** Deletes the pods of one victim while customers order; gives what came of it, throws with what is wrong. */
export async function deleteByForce(victim: string): Promise<string> {
  const began = Date.now();
  const [where, selector] = places[victim] ?? ['', ''];
  const customers = await Promise.all(Array.from({ length: 12 }, newCustomer));
  const endAt = Date.now() + 6_000;
  const shopping = customers.map((customer) => shopUntil(endAt, customer));
  // who registers meanwhile wakes the functions that scale to zero, and keeps them busy
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
  const everybody = [...customers, ...(await joining)];
  let wrong: string[] = [];
  await until('every order has come to its end', async () => {
    wrong = (await Promise.all(everybody.map(wrongWith))).flat();
    return wrong.length === 0;
  }).catch((error: Error) => {
    throw new Error(`${wrong.slice(0, 20).join('\n')}\n(${wrong.length} in all, ${error.message.slice(0, 100)})`);
  });
  const orders = everybody.reduce((sum, { ordered }) => sum + ordered.size, 0);
  const seconds = (since: number) => ((Date.now() - since) / 1_000).toFixed(1);
  return `${String(pods.length)} deleted, ${String(orders).padStart(4)} orders: all decided, charged and notified once ${seconds(deleted)} s after (${seconds(began)} s)`;
}
