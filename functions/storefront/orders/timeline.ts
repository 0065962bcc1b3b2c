import { chargeDeclined } from '#events/charge-declined.ts';
import { chargeRefunded } from '#events/charge-refunded.ts';
import { chargeSucceeded } from '#events/charge-succeeded.ts';
import { chargeVoided } from '#events/charge-voided.ts';
import { orderCancelRequested } from '#events/order-cancel-requested.ts';
import { orderCanceled } from '#events/order-canceled.ts';
import { orderPaid } from '#events/order-paid.ts';
import { orderPlaced } from '#events/order-placed.ts';
import { orderRefunded } from '#events/order-refunded.ts';
import { orderRejected } from '#events/order-rejected.ts';
import { eventIdOf, type EventType } from '#platform/events/event.ts';
import type { OrderHistory, HistoryNotification } from './histories.ts';

/** One entry of a timeline: an event, a mail, or what the delivery of an event met. */
export interface TimelineEntry {
  at: Date;
  type: string;
  function: string;
  id: string;
  correlationId: string;
  detail: Record<string, unknown>;
}

/** The events of an order's chains. */
export const orderEvents: EventType[] = [
  ...[orderPlaced, chargeSucceeded, chargeDeclined, orderPaid, orderRejected],
  ...[orderCancelRequested, chargeRefunded, chargeVoided, orderRefunded, orderCanceled],
];

/**
 * The timeline of an order, in order, from the times in its rows, with what its deliveries met. A cancel is a chain of its
 * own.
 */
export function timeline(
  { order, charge, refund, notifications }: OrderHistory,
  deliveries: TimelineEntry[] = [],
): TimelineEntry[] {
  const { id, cancelRequestedAt } = order;
  const placed = eventIdOf(orderPlaced, id);
  const canceled = eventIdOf(orderCancelRequested, id);
  const money = { total: order.total, currency: order.currency };
  const entries: TimelineEntry[] = [];
  const add = (
    at: Date | null | undefined,
    event: EventType,
    correlationId: string,
    detail: TimelineEntry['detail'] = money,
  ) => {
    if (at) entries.push(eventEntry(event, { at, objectId: id, correlationId, detail }));
  };
  add(order.createdAt, orderPlaced, placed);
  // a charge that was declined because of the cancel is shown below, as its void
  if (charge && charge.reason !== 'order_canceled') {
    const { outcome, reason, amount, currency } = charge;
    if (outcome === 'succeeded') add(charge.decidedAt, chargeSucceeded, placed, { amount, currency });
    else add(charge.decidedAt, chargeDeclined, placed, { amount, currency, reason });
  }
  const settled = { ...money, reason: order.reason };
  add(order.paidAt, orderPaid, placed, settled);
  add(order.rejectedAt, orderRejected, placed, settled);
  add(cancelRequestedAt, orderCancelRequested, canceled);
  if (cancelRequestedAt && charge?.outcome === 'declined') {
    add(charge.decidedAt < cancelRequestedAt ? cancelRequestedAt : charge.decidedAt, chargeVoided, canceled, {});
  }
  if (refund) {
    const { amount, currency } = refund;
    add(refund.refundedAt, chargeRefunded, canceled, { amount, currency });
  }
  add(order.canceledAt, orderCanceled, canceled);
  add(order.refundedAt, orderRefunded, canceled);
  const all = [...entries, ...notifications.flatMap(notificationEntries), ...deliveries];
  return all.toSorted((a, b) => a.at.getTime() - b.at.getTime());
}

/** The entry of an event about an object. */
export function eventEntry(
  event: EventType,
  {
    at,
    objectId,
    correlationId,
    detail,
  }: Pick<TimelineEntry, 'at' | 'correlationId' | 'detail'> & { objectId: string },
): TimelineEntry {
  return { at, type: event.type, function: event.producer, id: eventIdOf(event, objectId), correlationId, detail };
}

/** The entries of a notification: queued, and sent. */
export function notificationEntries({
  id,
  template,
  createdAt,
  sentAt,
  correlationId,
}: HistoryNotification): TimelineEntry[] {
  const its = { function: 'send-notification', id, correlationId, detail: { template } };
  const queued = { at: createdAt, type: 'notification.queued', ...its };
  return sentAt ? [queued, { at: sentAt, type: 'notification.sent', ...its }] : [queued];
}
