import type { OrderHistory, HistoryNotification } from './histories.ts';

/** One thing that happened. */
export interface TimelineEntry {
  at: Date;
  type: string;
  function: string;
  id: string;
  correlationId: string;
  detail: Record<string, unknown>;
}

/**
 * What happened to an order, in order, from the times that its rows keep, with what its deliveries met. A cancel is a
 * chain of its own.
 */
export function timeline(
  { order, charge, refund, notifications }: OrderHistory,
  deliveries: TimelineEntry[] = [],
): TimelineEntry[] {
  const { id, cancelRequestedAt } = order;
  const placed = `${id}.placed`;
  const canceled = `${id}.cancel_requested`;
  const money = { total: order.total, currency: order.currency };
  const moments: TimelineEntry[] = [];
  const add = (at: Date | null | undefined, moment: Omit<TimelineEntry, 'at'>) => {
    if (at) moments.push({ at, ...moment });
  };
  const fact = (type: string, by: string, correlationId: string, detail: TimelineEntry['detail'] = money) => {
    const happened = type.split('.')[1] ?? '';
    return { type: `shop.${type}.v1`, function: by, id: `${id}.${happened}`, correlationId, detail };
  };
  add(order.createdAt, fact('order.placed', 'create-order', placed));
  // what was declined because of the cancel is told below, as its void
  if (charge && charge.reason !== 'order_canceled') {
    const { outcome, reason, amount, currency } = charge;
    const detail = outcome === 'succeeded' ? { amount, currency } : { amount, currency, reason };
    add(charge.decidedAt, fact(`charge.${outcome}`, 'charge-account', placed, detail));
  }
  const settled = { ...money, reason: order.reason };
  add(order.paidAt, fact('order.paid', 'settle-order', placed, settled));
  add(order.rejectedAt, fact('order.rejected', 'settle-order', placed, settled));
  add(cancelRequestedAt, fact('order.cancel_requested', 'cancel-order', canceled));
  if (cancelRequestedAt && charge?.outcome === 'declined') {
    const voidedAt = charge.decidedAt < cancelRequestedAt ? cancelRequestedAt : charge.decidedAt;
    add(voidedAt, fact('charge.voided', 'refund-charge', canceled, {}));
  }
  if (refund) {
    const { amount, currency } = refund;
    add(refund.refundedAt, fact('charge.refunded', 'refund-charge', canceled, { amount, currency }));
  }
  add(order.canceledAt, fact('order.canceled', 'settle-order', canceled));
  add(order.refundedAt, fact('order.refunded', 'settle-order', canceled));
  const all = [...moments, ...notifications.flatMap(telling), ...deliveries];
  return all.toSorted((a, b) => a.at.getTime() - b.at.getTime());
}

/** What happened to a notification. */
export function telling({ id, template, createdAt, sentAt, correlationId }: HistoryNotification): TimelineEntry[] {
  const told = { function: 'send-notification', id, correlationId, detail: { template } };
  const queued = { at: createdAt, type: 'notification.queued', ...told };
  return sentAt ? [queued, { at: sentAt, type: 'notification.sent', ...told }] : [queued];
}
