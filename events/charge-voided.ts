import { z } from 'zod';
import { defineEvent } from '#platform/events/event.ts';
import { uuid } from '#platform/values/uuid.ts';

export const chargeVoided = defineEvent('shop.charge.voided.v1', {
  summary: 'A canceled order was not charged, and never will be.',
  producer: 'refund-charge',
  subject: ({ orderId }) => orderId,
  data: z.object({ orderId: uuid, userId: uuid }),
  sample: { orderId: '0198c0de-0000-7000-8000-000000000002', userId: '0198c0de-0000-7000-8000-000000000001' },
});

export type ChargeVoided = z.infer<typeof chargeVoided.data>;
