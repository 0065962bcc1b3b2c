import { z } from 'zod';
import { defineEvent } from '#platform/events/event.ts';
import { uuid } from '#platform/values/uuid.ts';

export const orderCancelRequested = defineEvent('shop.order.cancel_requested.v1', {
  summary: 'A customer asked to cancel an order. Whether it was charged is read from the charge, not from the event.',
  producer: 'cancel-order',
  subject: ({ orderId }) => orderId,
  data: z.object({ orderId: uuid, userId: uuid }),
  sample: { orderId: '0198c0de-0000-7000-8000-000000000002', userId: '0198c0de-0000-7000-8000-000000000001' },
});

export type OrderCancelRequested = z.infer<typeof orderCancelRequested.data>;
