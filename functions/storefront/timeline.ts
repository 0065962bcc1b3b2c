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
  const correlationId = `${order.id}.placed`;
  const money = { total: order.total, currency: order.currency };
  const moments: Moment[] = [];
  const add = (
    at: Date | null | undefined,
    type: string,
    by: string,
    id: string,
    detail = {},
    chain = correlationId,
  ) => {
    if (at) moments.push({ at, type, function: by, id, correlationId: chain, detail });
  };
  add(order.createdAt, 'shop.order.placed.v1', 'create-order', correlationId, money);
  if (charge) {
    const { outcome, reason, amount, currency } = charge;
    const detail = outcome === 'succeeded' ? { amount, currency } : { amount, currency, reason };
    add(charge.decidedAt, `shop.charge.${outcome}.v1`, 'charge-account', `${order.id}.${outcome}`, detail);
  }
  add(order.paidAt, 'shop.order.paid.v1', 'settle-order', `${order.id}.paid`, money);
  add(order.rejectedAt, 'shop.order.rejected.v1', 'settle-order', `${order.id}.rejected`, { reason: order.reason });
  for (const { id, template, createdAt, sentAt, correlationId: chain } of notifications) {
    add(createdAt, 'notification.queued', 'send-notification', id, { template }, chain);
    add(sentAt, 'notification.sent', 'send-notification', id, { template }, chain);
  }
  return moments.toSorted((a, b) => a.at.getTime() - b.at.getTime());
}
