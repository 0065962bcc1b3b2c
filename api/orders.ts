import { z } from 'zod';
import { currency, money } from '#platform/values/money.ts';
import { line } from '#platform/values/text.ts';
import { uuid } from '#platform/values/uuid.ts';
import { defineRoutes, named, pageOf, paging } from './route.ts';

export const sku = line.min(1).max(64);
const quantity = z.int().min(1).max(1_000_000);

const product = named('Product', z.object({ sku, name: z.string(), price: money, currency }));

export const newOrder = named(
  'NewOrder',
  z.object({
    items: z.array(z.object({ sku, quantity })).min(1).max(100),
  }),
);

export type NewOrder = z.infer<typeof newOrder>;

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
    settledAt: z.iso.datetime().nullable().meta({ description: 'When it reached its status.' }),
  }),
);

/** An order as the database returns it. */
export type OrderRow = Omit<z.infer<typeof order>, 'createdAt' | 'settledAt'> & {
  createdAt: Date;
  settledAt: Date | null;
};

/** The lines of an order as JSON, of rows with the columns of `ordering.order_lines`. */
export const orderItems = (rows: string, unitPrice = 'unit_price') => `
         (select json_agg(json_build_object('sku', sku, 'name', name, 'quantity', quantity, 'unitPrice', ${unitPrice})
                          order by line)
            from ${rows})`;

/** The columns of an `OrderRow`, of a row of `ordering.orders`: what a function or the storefront returns of an order. */
export const orderColumns = (row: string, items = orderItems(`ordering.order_lines where order_id = ${row}.id`)) => `
         ${row}.id, ${row}.status, ${row}.reason, ${row}.total, ${row}.currency, ${items} as items,
         ${row}.created_at as "createdAt",
         case
           when ${row}.status <> 'canceling'
           then coalesce(${row}.refunded_at, ${row}.canceled_at, ${row}.paid_at, ${row}.rejected_at)
         end as "settledAt"`;

/** The query of a list of orders. */
export const ordersQuery = paging.extend({ status: orderStatus.optional() });

const timeline = named(
  'Timeline',
  z.object({
    data: z.array(
      z.object({
        at: z.iso.datetime(),
        type: z.string().meta({ description: 'The type of the event, or the state of the mail.' }),
        function: z.string(),
        id: z.string(),
        correlationId: z.string().meta({ description: 'The id of the event that began the chain.' }),
        detail: z.record(z.string(), z.unknown()),
      }),
    ),
  }),
);

export const orderRoutes = defineRoutes({
  listProducts: {
    method: 'get',
    path: '/v1/products',
    summary: 'The catalogue',
    access: 'public',
    query: paging,
    responses: { 200: { description: 'A page of products.', body: pageOf('ProductPage', product) } },
  },
  createOrder: {
    method: 'post',
    path: '/v1/orders',
    summary: 'Place an order',
    description:
      'It is accepted immediately, and soon charged and paid, or rejected and not charged. ' +
      'The same key and body get the same response, and there is one order.',
    access: 'customer',
    function: 'create-order',
    body: newOrder,
    example: { items: [{ sku: 'desk', quantity: 1 }] },
    idempotent: true,
    responses: { 202: { description: 'The order as it was accepted.', body: order, headers: ['Location'] } },
    problems: ['customers_only', 'unknown_sku', 'order_too_large'],
  },
  listOrders: {
    method: 'get',
    path: '/v1/orders',
    summary: 'My orders',
    description:
      'The newest first. A page has 200 lines at most, and reads 1,000 orders to find those of a status: it may be ' +
      'shorter than asked for, even empty. There is more as long as it has a `nextCursor`.',
    access: 'customer',
    query: ordersQuery,
    responses: { 200: { description: 'A page of orders.', body: pageOf('OrderPage', order) } },
  },
  getOrder: {
    method: 'get',
    path: '/v1/orders/{id}',
    summary: 'One of my orders',
    access: 'customer',
    responses: { 200: { description: 'The order as it is now.', body: order } },
  },
  cancelOrder: {
    method: 'post',
    path: '/v1/orders/{id}/cancel',
    summary: 'Cancel an order',
    description:
      'It takes no body and may be repeated. A charge is refunded; an order without a charge is never charged.',
    access: 'customer',
    function: 'cancel-order',
    responses: { 202: { description: 'The order as it is now.', body: order } },
    problems: ['customers_only', 'order_not_cancelable'],
  },
  getTimeline: {
    method: 'get',
    path: '/v1/orders/{id}/timeline',
    summary: 'The timeline of an order',
    access: 'customer',
    responses: { 200: { description: 'Its events and mails, in order.', body: timeline } },
  },
});
