import { z } from 'zod';
import { currency, money } from '#platform/values/money.ts';
import { line } from '#platform/values/text.ts';
import { uuid } from '#platform/values/uuid.ts';
import { named, pageOf, paging, type Route } from './route.ts';

export const sku = line.min(1).max(64);
const quantity = z.int().min(1).max(1_000_000);

const product = named('Product', z.object({ sku, name: z.string(), price: money, currency }));

export const newOrder = named(
  'NewOrder',
  z.object({
    items: z.array(z.object({ sku, quantity })).min(1).max(100),
  }),
);

const orderStatus = z.enum(['pending', 'paid', 'rejected', 'canceling', 'canceled', 'refunded']);

export const order = named(
  'Order',
  z.object({
    id: uuid,
    status: orderStatus,
    reason: z.string().nullable().meta({ description: 'Why it was rejected.' }),
    total: money,
    currency,
    items: z.array(z.object({ sku, name: z.string(), quantity, unitPrice: money })),
    createdAt: z.iso.datetime(),
    settledAt: z.iso.datetime().nullable().meta({ description: 'When it came to the status that it has.' }),
  }),
);

/** The query of a list of orders. */
export const ordersQuery = paging.extend({ status: orderStatus.optional() });

const timeline = named(
  'Timeline',
  z.object({
    data: z.array(
      z.object({
        at: z.iso.datetime(),
        type: z.string().meta({ description: 'The type of the event, or what became of the mail.' }),
        function: z.string(),
        id: z.string(),
        correlationId: z.string().meta({ description: 'The id of the event that began the chain.' }),
        detail: z.record(z.string(), z.unknown()),
      }),
    ),
  }),
);

export const orderRoutes: Route[] = [
  {
    method: 'get',
    path: '/v1/products',
    summary: 'The catalogue',
    who: 'anybody',
    query: paging,
    answers: { 200: { description: 'A page of products.', body: pageOf('ProductPage', product) } },
  },
  {
    method: 'post',
    path: '/v1/orders',
    summary: 'Place an order',
    description:
      'It is accepted at once, and a moment later charged and paid, or rejected and not charged. ' +
      'The same key and the same body get the same answer, and there is one order.',
    who: 'customer',
    body: newOrder,
    example: { items: [{ sku: 'desk', quantity: 1 }] },
    idempotent: true,
    answers: { 202: { description: 'The order as it was accepted.', body: order, headers: ['Location'] } },
    problems: ['customers_only', 'unknown_sku', 'order_too_large'],
  },
  {
    method: 'get',
    path: '/v1/orders',
    summary: 'My orders',
    description:
      'The newest first. A page has 200 lines at most, and reads 1,000 orders to find those of a status: it may be ' +
      'shorter than asked for, even empty. There is more as long as it has a `nextCursor`.',
    who: 'customer',
    query: ordersQuery,
    answers: { 200: { description: 'A page of orders.', body: pageOf('OrderPage', order) } },
  },
  {
    method: 'get',
    path: '/v1/orders/{id}',
    summary: 'One of my orders',
    who: 'customer',
    answers: { 200: { description: 'The order as it is now.', body: order } },
  },
  {
    method: 'post',
    path: '/v1/orders/{id}/cancel',
    summary: 'Cancel an order',
    description: 'It takes no body and may be repeated. What was charged comes back; what was not, never will be.',
    who: 'customer',
    answers: { 202: { description: 'The order as it is now.', body: order } },
    problems: ['customers_only', 'order_not_cancelable'],
  },
  {
    method: 'get',
    path: '/v1/orders/{id}/timeline',
    summary: 'What happened to an order',
    who: 'customer',
    answers: { 200: { description: 'Its events and mails, in order.', body: timeline } },
  },
];
