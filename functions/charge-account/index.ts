import { chargeDeclined } from '#events/charge-declined.ts';
import { chargeSucceeded } from '#events/charge-succeeded.ts';
import { orderPlaced, type OrderPlaced } from '#events/order-placed.ts';
import { batch, decideOnce } from '#platform/database/batch.ts';
import { onEvent } from '#platform/events/on-event.ts';
import { Problem } from '#platform/http/problem.ts';
import { decideCharges, findCharges, findOrders, type Charge } from './queries.ts';

const orderOf = ({ orderId }: { orderId: string }) => orderId;

/**
 * Decides once whether an order is charged. A batch holds at most one order an account, so that every decision sees the
 * balance that the previous one left.
 */
const decideCharge = batch<OrderPlaced, Charge>({
  key: ({ userId }) => userId,
  run: async (orders) => {
    const charges = await decideOnce(orders, orderOf, orderOf, decideCharges, findCharges);
    const undecided = orders.filter(({ orderId }) => !charges.has(orderId));
    const placed = new Set(undecided.length > 0 ? (await findOrders(undecided)).map(orderOf) : []);
    return orders.map(({ orderId }) => charges.get(orderId) ?? explainRejection(orderId, placed));
  },
});

/** Charges an order that was placed, or declines it. A repeated event gets the decision of the first one. */
export const handle = onEvent(orderPlaced, async (order) => {
  const { orderId, userId, accountId, amount, currency, reason, decidedAt } = await decideCharge(order);
  return accountId !== null && reason === null
    ? chargeSucceeded.create({ orderId, userId, accountId, amount, currency }, decidedAt)
    : chargeDeclined.create({ orderId, userId, amount, currency, reason: reason ?? 'account_not_found' }, decidedAt);
});

function explainRejection(orderId: string, placed: Set<string>): Problem {
  return placed.has(orderId)
    ? new Problem('unavailable', `The account of order ${orderId} is not open yet.`)
    : new Problem('bad_event', `There is no order ${orderId} of this customer.`);
}
