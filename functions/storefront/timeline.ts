import type { Story } from './queries.ts';

/** One thing that happened to an order. */
export interface Moment {
  at: Date;
  type: string;
  function: string;
  id: string;
  correlationId: string;
  detail: Record<string, unknown>;
}

/** What happened to an order, in order, from the times that its rows keep. */
export function timeline({ order, charge, notifications }: Story): Moment[] {
  const chain = `${order.id}.placed`;
  const money = { total: order.total, currency: order.currency };
  const moments: Moment[] = [];
  const add = (at: Date | null | undefined, moment: Omit<Moment, 'at' | 'correlationId'>, correlationId = chain) => {
    if (at) moments.push({ at, ...moment, correlationId });
  };
  add(order.createdAt, { type: 'shop.order.placed.v1', function: 'create-order', id: chain, detail: money });
  if (charge) {
    const { outcome, reason, amount, currency } = charge;
    const detail = outcome === 'succeeded' ? { amount, currency } : { amount, currency, reason };
    const id = `${order.id}.${outcome}`;
    add(charge.decidedAt, { type: `shop.charge.${outcome}.v1`, function: 'charge-account', id, detail });
  }
  const settled = { function: 'settle-order', detail: { ...money, reason: order.reason } };
  add(order.paidAt, { ...settled, type: 'shop.order.paid.v1', id: `${order.id}.paid` });
  add(order.rejectedAt, { ...settled, type: 'shop.order.rejected.v1', id: `${order.id}.rejected` });
  for (const { id, template, createdAt, sentAt, correlationId } of notifications) {
    const told = { function: 'send-notification', id, detail: { template } };
    add(createdAt, { ...told, type: 'notification.queued' }, correlationId);
    add(sentAt, { ...told, type: 'notification.sent' }, correlationId);
  }
  return moments.toSorted((a, b) => a.at.getTime() - b.at.getTime());
}
