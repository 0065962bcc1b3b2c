import { z } from 'zod';
import { defineEvent } from '#platform/events/event.ts';
import { currency, money } from '#platform/values/money.ts';
import { uuid } from '#platform/values/uuid.ts';

export const orderRefunded = defineEvent('shop.order.refunded.v1', {
  summary: 'An order was canceled, and its charge is back on the account.',
  producer: 'settle-order',
  subject: ({ orderId }) => orderId,
  data: z.object({ orderId: uuid, userId: uuid, total: money, currency }),
  sample: {
    orderId: '0198c0de-0000-7000-8000-000000000002',
    userId: '0198c0de-0000-7000-8000-000000000001',
    total: 80_000,
    currency: 'usd',
  },
});

export type OrderRefunded = z.infer<typeof orderRefunded.data>;
