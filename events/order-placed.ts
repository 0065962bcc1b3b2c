import { z } from 'zod';
import { defineEvent } from '#platform/events/event.ts';
import { uuid } from '#platform/values/uuid.ts';

export const orderPlaced = defineEvent('shop.order.placed.v1', {
  summary: 'An order was accepted. The event names the order; its total and state are read from the row.',
  producer: 'create-order',
  subject: ({ orderId }) => orderId,
  data: z.object({ orderId: uuid, userId: uuid }),
  sample: { orderId: '0198c0de-0000-7000-8000-000000000002', userId: '0198c0de-0000-7000-8000-000000000001' },
});

export type OrderPlaced = z.infer<typeof orderPlaced.data>;
